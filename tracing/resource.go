package tracing

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

// newResource describes the process. It has no schema URL: two parts of a program that name different
// ones make the SDK fail at start (opentelemetry-go #3769, #7297).
//
// Later ones win: what is found out here, OTEL_RESOURCE_ATTRIBUTES, the Config. The service's name is
// the exception, since it is always given: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over it.
//
// What Kubernetes says, and the container's id, are found out where they can be. Nothing here can fail, and
// nothing may be secret: there is no command line. There is no user, whose look-up fails in containers
// without a passwd entry.
func newResource(service string, cfg Config, s settings) *resource.Resource {
	build := buildinfo.Read()
	attrs := []attribute.KeyValue{
		semconv.ServiceName(service),
		semconv.ServiceInstanceID(newInstanceID()),
		semconv.TelemetrySDKLanguageGo,
		semconv.TelemetrySDKName("opentelemetry"),
		semconv.TelemetrySDKVersion(sdk.Version()),
		semconv.HostArchKey.String(runtime.GOARCH),
		semconv.OSTypeKey.String(runtime.GOOS),
		semconv.ProcessPID(os.Getpid()),
		semconv.ProcessExecutableName(filepath.Base(os.Args[0])),
		semconv.ProcessRuntimeName("go"),
		semconv.ProcessRuntimeVersion(runtime.Version()),
	}
	if host, err := os.Hostname(); err == nil {
		attrs = append(attrs, semconv.HostName(host))
	}
	if id := containerID("/proc/self"); id != "" {
		attrs = append(attrs, semconv.ContainerID(id))
	}
	attrs = append(attrs, kubernetes(os.Getenv)...)
	if version := cmp.Or(build.Main.Version, "(devel)"); version != "(devel)" {
		attrs = append(attrs, semconv.ServiceVersion(version))
	}
	if commit := revision(); commit != "" {
		attrs = append(attrs, semconv.VCSRefHeadRevision(commit))
	}
	if modules := moduleVersions(build); len(modules) > 0 {
		attrs = append(attrs, attribute.StringSlice("sdk.modules", modules))
	}
	attrs = append(attrs, s.attributes...)
	if s.serviceName != "" {
		attrs = append(attrs, semconv.ServiceName(s.serviceName))
	}
	attrs = append(attrs, cfg.Attributes...)
	if cfg.Version != "" {
		attrs = append(attrs, semconv.ServiceVersion(cfg.Version))
	}
	return resource.NewSchemaless(validAttrs(attrs)...)
}

// revision returns the commit that the program was built from, or "" where the build does not say.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// moduleVersions lists the SDK's modules in the program, such as httpclient@v0.1.0.
func moduleVersions(build buildinfo.Info) []string {
	versions := make([]string, 0, len(build.Modules))
	for _, m := range build.Modules {
		versions = append(versions, strings.TrimPrefix(m.Path, buildinfo.Prefix)+"@"+cmp.Or(m.Version, "(devel)"))
	}
	return versions
}

// newInstanceID returns a random UUID (RFC 9562, version 4), as the semantic conventions recommend
// for service.instance.id.
func newInstanceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
