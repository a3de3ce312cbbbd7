package scaffold_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
	"golang.org/x/mod/modfile"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8syaml "sigs.k8s.io/yaml"
)

var templates = []string{"helloservice", "helloworker"}

// read reads a file of a template.
func read(t *testing.T, template, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "templates", template, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// strict decodes a document of a deployment as a Kubernetes client does that is told to refuse fields it does not know.
func strict(t *testing.T, document []byte) any {
	t.Helper()
	var kind metav1.TypeMeta
	if err := k8syaml.Unmarshal(document, &kind); err != nil {
		t.Fatal(err)
	}
	into := map[string]any{
		"apps/v1 Deployment": &appsv1.Deployment{}, "v1 Service": &corev1.Service{}, "policy/v1 PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
	}[kind.APIVersion+" "+kind.Kind]
	if into == nil {
		t.Fatalf("unknown %s %s", kind.APIVersion, kind.Kind)
	}
	if err := k8syaml.UnmarshalStrict(document, into); err != nil {
		t.Errorf("%s: %v", kind.Kind, err)
	}
	return into
}

func TestDeploymentsHaveProbesAndGrace(t *testing.T) {
	for _, template := range templates {
		t.Run(template, func(t *testing.T) {
			documents := bytes.Split(read(t, template, "deploy/"+template+".yaml"), []byte("\n---\n"))
			deployment, ok := strict(t, documents[0]).(*appsv1.Deployment)
			if !ok {
				t.Fatal("the first document is no deployment")
			}
			for _, document := range documents[1:] {
				strict(t, document)
			}
			pod := deployment.Spec.Template
			container := pod.Spec.Containers[0]
			if grace := pod.Spec.TerminationGracePeriodSeconds; grace == nil || *grace != 30 {
				t.Errorf("grace %v, want 30 s", grace)
			}
			for name, probe := range map[string]*corev1.Probe{
				"/readyz": container.ReadinessProbe, "/livez": container.LivenessProbe, "/livez at the start": container.StartupProbe,
			} {
				path, _, _ := strings.Cut(name, " ")
				if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.TimeoutSeconds != 2 {
					t.Errorf("probe %s: %v", name, probe)
				}
			}
			if every := container.ReadinessProbe.PeriodSeconds; every != 2 {
				t.Errorf("readiness is looked at every %d s, want 2", every)
			}
			if only := container.SecurityContext.ReadOnlyRootFilesystem; only == nil || !*only {
				t.Error("the file system can be written to")
			}
			label, selector := pod.Labels["app.kubernetes.io/name"], deployment.Spec.Selector.MatchLabels["app.kubernetes.io/name"]
			if label != selector || label != template {
				t.Errorf("selector %q, label %q", selector, label)
			}
		})
	}
}

func TestComposeFilesHaveGrace(t *testing.T) {
	for _, template := range templates {
		t.Run(template, func(t *testing.T) {
			files := []types.ConfigFile{{Filename: "compose.yaml", Content: read(t, template, "compose.yaml")}}
			project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: t.TempDir(), ConfigFiles: files},
				func(o *loader.Options) { o.SetProjectName(template, true) })
			if err != nil {
				t.Fatal(err)
			}
			if grace := project.Services[template].StopGracePeriod; grace == nil || *grace != types.Duration(30*time.Second) {
				t.Errorf("grace %v, want 30 s", grace)
			}
		})
	}
}

// What a service's CI runs is what this repository's lint has run on the template.
func TestWorkflowsRunTheLinterOfThisRepository(t *testing.T) {
	data, err := os.ReadFile("../lint/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`golangci/golangci-lint/v2 (v\S+)`).FindSubmatch(data)
	if pinned == nil {
		t.Fatal("tools/lint has no golangci-lint")
	}
	for _, template := range templates {
		var workflow struct {
			Jobs map[string]struct {
				Steps []struct {
					Name, Run, Uses string
					With            map[string]string
				}
			}
		}
		if err := yaml.Unmarshal(read(t, template, ".github/workflows/ci.yml"), &workflow); err != nil {
			t.Fatalf("%s: %v", template, err)
		}
		version := ""
		for _, step := range workflow.Jobs["test"].Steps {
			if strings.HasPrefix(step.Uses, "golangci/golangci-lint-action@") {
				version = step.With["version"]
			}
		}
		if version != string(pinned[1]) {
			t.Errorf("%s: the workflow runs golangci-lint %q, and the repository %s", template, version, pinned[1])
		}
	}
}

// An image with an older Go would fetch a newer one at each build.
func TestDockerfilesHaveTheGoOfGoMod(t *testing.T) {
	for _, template := range templates {
		mod, err := modfile.Parse("go.mod", read(t, template, "go.mod"), nil)
		if err != nil {
			t.Fatal(err)
		}
		image := regexp.MustCompile(`(?m)^ARG GO=(\S+)$`).FindSubmatch(read(t, template, "Dockerfile"))
		if image == nil || !strings.HasPrefix(mod.Go.Version, string(image[1])+".") {
			t.Errorf("%s: go.mod says go %s, the Dockerfile %q", template, mod.Go.Version, image)
		}
	}
}
