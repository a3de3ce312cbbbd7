package scaffold_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

var templates = []string{"helloservice", "helloworker"}

// documents parses each document of a YAML file of a template.
func documents(t *testing.T, template, name string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "templates", template, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	var docs []map[string]any
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc map[string]any
		if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
			return docs
		} else if err != nil {
			t.Fatalf("%s/%s: %v", template, name, err)
		}
		docs = append(docs, doc)
	}
}

// at walks down maps by name and lists by number; nil where there is nothing.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := value.(map[string]any)
			value = m[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

func TestDeploymentsHaveProbesAndGrace(t *testing.T) {
	for _, template := range templates {
		deployment := documents(t, template, "deploy/"+template+".yaml")[0]
		pod := []any{"spec", "template", "spec"}
		container := slices.Concat(pod, []any{"containers", 0})
		for _, want := range []struct {
			value any
			path  []any
		}{
			{"apps/v1", []any{"apiVersion"}},
			{"Deployment", []any{"kind"}},
			{30, append(pod[:3:3], "terminationGracePeriodSeconds")},
			{2, append(container[:5:5], "readinessProbe", "periodSeconds")},
			{"/readyz", append(container[:5:5], "readinessProbe", "httpGet", "path")},
			{"/livez", append(container[:5:5], "livenessProbe", "httpGet", "path")},
			{2, append(container[:5:5], "livenessProbe", "timeoutSeconds")},
			{true, append(container[:5:5], "securityContext", "readOnlyRootFilesystem")},
		} {
			if have := at(deployment, want.path...); have != want.value {
				t.Errorf("%s: %v is %v, want %v", template, want.path, have, want.value)
			}
		}
		selector := at(deployment, "spec", "selector", "matchLabels", "app.kubernetes.io/name")
		if label := at(deployment, "spec", "template", "metadata", "labels", "app.kubernetes.io/name"); label != selector || label != template {
			t.Errorf("%s: selector %v, label %v", template, selector, label)
		}
	}
}

func TestComposeFilesHaveGraceAndWorkflowsHaveSteps(t *testing.T) {
	for _, template := range templates {
		if grace := at(documents(t, template, "compose.yaml")[0], "services", template, "stop_grace_period"); grace != "30s" {
			t.Errorf("%s: stop_grace_period is %v", template, grace)
		}
		steps, _ := at(documents(t, template, ".github/workflows/ci.yml")[0], "jobs", "test", "steps").([]any)
		if len(steps) == 0 {
			t.Errorf("%s: the workflow has no steps", template)
		}
		if version := at(documents(t, template, ".golangci.yml")[0], "version"); version != "2" {
			t.Errorf("%s: lint settings of version %v", template, version)
		}
	}
}
