package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGrace(t *testing.T) {
	const deployment = "kind: Deployment\nspec:\n  terminationGracePeriodSeconds: 30\n  env:\n"
	for name, test := range map[string]struct {
		config, yaml string
		ok           bool
		want         string
	}{
		"defaults":            {"", deployment, true, "30s is enough for 28s"},
		"drain in the file":   {"", deployment + "  - name: SERVICE_DRAIN_DELAY\n    value: 10s\n", false, "33s to stop (10s drain"},
		"quoted":              {"", deployment + "  - name: SERVICE_STOP_TIMEOUT\n    value: \"40s\"\n", false, "48s"},
		"code wins":           {"DrainDelay: time.Second", deployment + "  - name: SERVICE_DRAIN_DELAY\n    value: 10s\n", true, "24s"},
		"code":                {"StopTimeout: 2*30*time.Second", deployment, false, "1m8s"},
		"off":                 {"DrainDelay: -1", deployment, true, "23s"},
		"no constant":         {"StopTimeout: timeout()", deployment, false, "no constants"},
		"compose":             {"", "stop_grace_period: 28s\n", false, "28s to stop"},
		"compose variables":   {"", "stop_grace_period: 1m\nenvironment:\n  SERVICE_STOP_TIMEOUT: 50s\n", true, "58s"},
		"Kubernetes' default": {"StopTimeout: 25 * time.Second", "kind: Deployment\n", false, "33s"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"deploy.yaml": test.yaml,
				"main.go": "package main\n\nfunc main() { service.Main(service.Config{" + test.config + "}, setup) }\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			findings, err := grace(dir)
			if err != nil || len(findings) != 1 {
				t.Fatalf("%v, %v", findings, err)
			}
			if f := findings[0]; f.OK != test.ok || !strings.Contains(f.Text, test.want) || f.OK != (f.Advice == "") {
				t.Errorf("%+v, want %v and %q", f, test.ok, test.want)
			}
		})
	}
}
