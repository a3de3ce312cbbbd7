package repocheck

import (
	"slices"
	"strconv"
	"strings"
)

// layer is what one module may import besides the standard library.
type layer struct {
	// siblings are modules of this repository.
	siblings []string
	// outside are import paths; each stands for itself and what lies below it.
	outside []string
	// apart are import paths that only the named package of the module may import, so that nobody who uses the rest
	// of the module links them.
	apart map[string]string
	// tests are import paths for tests alone, besides [forTests].
	tests []string
}

// otelAPI is the part of OpenTelemetry that libraries may use; the SDK is for the tracing module alone.
var otelAPI = []string{
	"go.opentelemetry.io/otel!", // the package alone, not what lies below it
	"go.opentelemetry.io/otel/attribute",
	"go.opentelemetry.io/otel/baggage",
	"go.opentelemetry.io/otel/codes",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/propagation",
	"go.opentelemetry.io/otel/semconv",
	"go.opentelemetry.io/otel/trace",
}

// layers is the architecture: arrows point down only, edges do not know each other, and none knows the set-up.
// A new module needs a row. Modules that services do not import (examples, benchmarks) may import everything.
var layers = map[string]layer{
	// Foundation.
	"errors":   {},
	"internal": {siblings: []string{"errors"}, outside: otelAPI},
	"resilience": {
		siblings: []string{"errors", "internal"},
		outside:  append([]string{"github.com/sony/gobreaker/v2", "golang.org/x/time/rate"}, otelAPI...),
	},
	// Edges.
	"httpclient": {
		siblings: []string{"errors", "internal", "resilience"},
		outside:  append([]string{"github.com/hashicorp/go-retryablehttp"}, otelAPI...),
	},
	"httpserver": {siblings: []string{"errors", "internal", "resilience"}, outside: otelAPI},
	"kafka": {
		siblings: []string{"errors", "internal", "resilience"},
		outside:  append([]string{"github.com/twmb/franz-go"}, otelAPI...),
		apart:    map[string]string{"github.com/twmb/franz-go/pkg/kfake": "kafka/kafkatest"},
	},
	// Set-up.
	"logging": {
		siblings: []string{"errors", "internal"},
		outside:  append([]string{"go.uber.org/zap"}, otelAPI...),
		apart: map[string]string{
			"go.opentelemetry.io/contrib/bridges/otelzap": "logging/otlp",
			"go.opentelemetry.io/otel/log":                "logging/otlp",
		},
		// The tests of logging/otlp decode what an exporter has sent.
		tests: []string{"go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf/proto"},
	},
	"tracing": {
		siblings: []string{"errors", "internal"},
		// What OpenTelemetry links anyway: connections are made here, a collector's answers read, and its own log taken.
		outside: []string{
			"go.opentelemetry.io/otel", "go.opentelemetry.io/contrib", "go.opentelemetry.io/proto/otlp",
			"google.golang.org/grpc", "google.golang.org/protobuf/proto", "github.com/go-logr/logr",
		},
		apart: map[string]string{
			"go.opentelemetry.io/otel/exporters/prometheus": "tracing/prometheus",
			"github.com/prometheus":                         "tracing/prometheus",
		},
		tests: []string{"google.golang.org/genproto/googleapis/rpc/errdetails", "google.golang.org/protobuf/types/known"},
	},
	// Chassis: the one module that knows both edges and set-up. No client and no Kafka: a service brings its own.
	"service": {
		siblings: []string{"errors", "internal", "httpserver", "logging", "tracing"},
		outside:  []string{"go.uber.org/zap"},
	},
	// The command of whoever makes a service: what it links is built on each first use.
	"cmd/sdk": {outside: []string{"golang.org/x/mod"}},
	// What a service begins with. Each module that it links is one that every service compiles.
	"templates/helloservice": {siblings: []string{"errors", "httpclient", "httpserver", "service"}},
	"templates/helloworker":  {siblings: []string{"errors", "kafka", "service"}},
}

// forTests is what the tests of every module may import as well. The OpenTelemetry SDK is there to record what the API
// was told.
var forTests = []string{
	"github.com/google/go-cmp",
	"go.opentelemetry.io/otel",
}

// Layers returns each import that points sideways or up, or brings in a module that the architecture does not name.
func Layers(r *Repo) ([]Fault, error) {
	var faults []Fault
	for _, m := range r.Modules {
		if _, ok := layers[m.Name]; m.SDK() && !ok {
			faults = append(faults, Fault{File: m.Name + "/go.mod", Text: "the module has no row in tools/repocheck/layers.go"})
		}
	}
	r.files(func(m *Module, p *Package, f *File) {
		rules, ok := layers[m.Name]
		if !ok {
			return
		}
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if text := rules.forbids(r, m, p, f, path); text != "" {
				faults = append(faults, r.at(f, spec.Pos(), "import of %s: %s", path, text))
			}
		}
	})
	return faults, nil
}

// forbids says why a file may not import path, or "".
func (l layer) forbids(r *Repo, m *Module, p *Package, f *File, path string) string {
	if owner := r.Workspace.Owner(path); owner != nil {
		if owner.Path == m.Path || slices.Contains(l.siblings, owner.Name) {
			return ""
		}
		return m.Name + " may not know " + owner.Name + " (arrows point down only)"
	}
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") || f.Test && (within(path, forTests) || within(path, l.tests)) {
		return "" // the standard library, or a test's own tools
	}
	for library, pkg := range l.apart {
		if within(path, []string{library}) {
			if p.Dir == pkg || f.Test {
				return ""
			}
			return "only " + pkg + " may, so that other users of the module do not link it"
		}
	}
	if !within(path, l.outside) {
		return "not among the dependencies of " + m.Name + " in tools/repocheck/layers.go"
	}
	return ""
}

// within reports whether path is one of the roots or lies below one. A root that ends in "!" stands for itself alone.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == strings.TrimSuffix(root, "!") || strings.HasPrefix(path, root+"/")
	})
}
