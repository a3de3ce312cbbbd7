package cli_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/cmd/sdk/internal/proxytest"
)

// second is the next release of the toy: it changes, adds and deletes files, and raises a version.
func second() map[string]string {
	return with(map[string]string{
		"go.mod":                   strings.Replace(toy["go.mod"], "lib v0.1.0", "lib v0.2.0", 1),
		"Dockerfile":               strings.Replace(toy["Dockerfile"], "1.26", "1.27", 1),
		"deploy/helloservice.yaml": strings.Replace(toy["deploy/helloservice.yaml"], "grace: 30", "grace: 35", 1),
		".github/workflows/ci.yml": "steps:\n  - run: go vet ./...\n  - run: go test ./...\n  - run: go mod tidy -diff\n  # Yours below\n",
		".golangci.yml":            "linters: {enable: [govet]}\n",
		"compose.yaml":             "-",
		".dockerignore":            "bin\n",
		"Makefile":                 "run:\n\tgo run .\n",
		"README.md":                "# helloservice, with a new README\n",
		"main.go":                  strings.Replace(toy["main.go"], "fmt.Println(", "fmt.Println(\"new\", ", 1),
	})
}

func TestUpgradeMergesWhatBothChanged(t *testing.T) {
	p := serve(t)
	dir := orders(t)
	// A package has moved, the deployment is edited, a file deleted, a step of CI added, one file made that the
	// template gets too, and one edited that the template deletes.
	proxytest.Write(t, dir, map[string]string{
		"internal/api/api.go": "-", "internal/api/api_test.go": "-",
		"api/api.go":               strings.ReplaceAll(toy["internal/api/api.go"], "helloservice", "orders"),
		"main.go":                  strings.ReplaceAll(proxytest.Read(t, dir)["main.go"], "orders/internal/api", "orders/api"),
		"deploy/orders.yaml":       "kind: Deployment\nname: orders\nreplicas: 3\n# a\n# b\ngrace: 30\n",
		".golangci.yml":            "-",
		".github/workflows/ci.yml": toy[".github/workflows/ci.yml"] + "  - run: ./deploy.sh\n",
		"Makefile":                 "mine:\n",
		"compose.yaml":             "services:\n  orders: {mine: true}\n",
	})
	proxytest.Commit(t, dir)
	publish(t, p, "v0.2.0", second())

	before := proxytest.Read(t, dir)
	code, diff, errs := sdk(t, dir, "upgrade", "-diff")
	if code != 1 {
		t.Fatalf("-diff: exit %d\n%s%s", code, diff, errs)
	}
	wantText(t, "-diff", diff, "-FROM golang:1.26", "+FROM golang:1.27", "+  - run: go mod tidy -diff", "lib v0.2.0", ".sdk.json")
	if after := proxytest.Read(t, dir); !maps.Equal(before, after) {
		t.Error("-diff has written")
	}

	code, out, errs := sdk(t, dir, "upgrade")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "upgrade", out, "v0.1.0 → v0.2.0",
		"merged                   .github/workflows/ci.yml", "merged                   deploy/orders.yaml", "updated                  Dockerfile",
		"added                    .dockerignore", "updated                  go.mod", "go fix ./...",
		"stays deleted            .golangci.yml (you deleted it", "kept, both added it      Makefile", "kept                     compose.yaml (the template deleted it")
	wantFiles(t, dir, map[string]string{
		"deploy/orders.yaml":       "kind: Deployment\nname: orders\nreplicas: 3\n# a\n# b\ngrace: 35\n",
		".github/workflows/ci.yml": "steps:\n  - run: go vet ./...\n  - run: go test ./...\n  - run: go mod tidy -diff\n  # Yours below\n  - run: ./deploy.sh\n",
		"Makefile":                 "mine:\n",
		"compose.yaml":             "services:\n  orders: {mine: true}\n",
		"README.md":                "# orders\n",
		"main.go":                  before["main.go"],
		".golangci.yml":            "",
	})
	if out := proxytest.Run(t, dir, "go", "run", "."); out != "v0.2.0 orders\n" {
		t.Errorf("it says %q", out)
	}
	proxytest.Run(t, dir, "go", "mod", "tidy", "-diff")

	proxytest.Commit(t, dir)
	before = proxytest.Read(t, dir)
	if code, out, _ := sdk(t, dir, "upgrade"); code != 0 || !strings.Contains(out, "already") {
		t.Errorf("second time: exit %d, %s", code, out)
	}
	if code, out, _ := sdk(t, dir, "upgrade", "-diff"); code != 0 || out != "" {
		t.Errorf("second time, -diff: exit %d, %s", code, out)
	}
	if after := proxytest.Read(t, dir); !maps.Equal(before, after) {
		t.Error("the second upgrade has changed something")
	}
}

func TestUpgradeMarksConflictsAndRunsNothingAfter(t *testing.T) {
	p := serve(t)
	dir := orders(t)
	proxytest.Write(t, dir, map[string]string{"Dockerfile": "FROM mirror.acme/golang:1.26\nRUN go build -o /orders .\nUSER 1000\n"})
	proxytest.Commit(t, dir)
	publish(t, p, "v0.2.0", second())
	code, out, errs := sdk(t, dir, "upgrade")
	if code != 1 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "upgrade", out, "CONFLICT                 Dockerfile (both changed the same lines)")
	wantText(t, "upgrade", errs, "conflicts in Dockerfile", "go mod tidy")
	files := proxytest.Read(t, dir)
	wantText(t, "Dockerfile", files["Dockerfile"], "<<<<<<< yours\nFROM mirror.acme/golang:1.26\n=======\nFROM golang:1.27\n>>>>>>> template v0.2.0\n")
	wantText(t, "go.mod", files["go.mod"], "lib v0.2.0")
	// tidy would have dropped the lines of the old version.
	wantText(t, "go.sum", files["go.sum"], "lib v0.1.0 h1:", "lib v0.2.0 h1:")

	if code, _, errs := sdk(t, dir, "upgrade"); code != 2 || !strings.Contains(errs, "has changes") {
		t.Errorf("with conflicts in the tree: exit %d, %s", code, errs)
	}
	proxytest.Write(t, dir, map[string]string{"Dockerfile": "FROM mirror.acme/golang:1.27\n"})
	proxytest.Commit(t, dir)
	if code, out, _ := sdk(t, dir, "upgrade"); code != 0 || !strings.Contains(out, "already") {
		t.Errorf("after the conflict: exit %d, %s", code, out)
	}
}

func TestUpgradeNeverLowersAVersion(t *testing.T) {
	p := serve(t)
	p.Publish(t, root+"lib@v0.3.0", map[string]string{"go.mod": "module " + root + "lib\n\ngo 1.26.0\n",
		"lib.go": "// Package lib is newer.\npackage lib\n\n// Name is its name.\nconst Name = \"v0.3.0\"\n"})
	dir := orders(t)
	proxytest.Run(t, dir, "go", "get", root+"lib@v0.3.0")
	proxytest.Commit(t, dir)
	publish(t, p, "v0.2.0", second())
	if code, out, errs := sdk(t, dir, "upgrade"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "go.mod", proxytest.Read(t, dir)["go.mod"], "lib v0.3.0")
}

func TestUpgradeDeletesWhatTheTemplateDeletedAndNobodyChanged(t *testing.T) {
	p := serve(t)
	dir := orders(t)
	publish(t, p, "v0.2.0", with(map[string]string{"deploy/helloservice.yaml": "-"}))
	code, out, errs := sdk(t, dir, "upgrade")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "upgrade", out, "deleted                  deploy/orders.yaml")
	if _, err := os.Stat(filepath.Join(dir, "deploy")); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestUpgradeKeepsPermissionsAndLineEnds(t *testing.T) {
	p := serve(t)
	dir := orders(t)
	dockerfile := filepath.Join(dir, "Dockerfile")
	proxytest.Write(t, dir, map[string]string{"Dockerfile": "FROM golang:1.26\r\nRUN go build -o /orders .\r\nUSER 1000\r\n"})
	if err := os.Chmod(dockerfile, 0o755); err != nil {
		t.Fatal(err)
	}
	proxytest.Commit(t, dir)
	publish(t, p, "v0.2.0", second())
	if code, out, errs := sdk(t, dir, "upgrade"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantFiles(t, dir, map[string]string{"Dockerfile": "FROM golang:1.27\r\nRUN go build -o /orders .\r\nUSER 1000\r\n"})
	if info, err := os.Stat(dockerfile); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
}

func TestUpgradeThatFailsLeavesTheTreeAsItWas(t *testing.T) {
	for name, test := range map[string]struct {
		next  map[string]string
		spoil func(t *testing.T, dir string)
		args  []string
		want  []string
	}{
		"dirty":         {spoil: func(t *testing.T, dir string) { proxytest.Write(t, dir, map[string]string{"new.txt": "x"}) }, want: []string{"has changes", "new.txt", "git commit or git stash", "-diff"}},
		"no repository": {spoil: func(t *testing.T, dir string) { proxytest.Run(t, dir, "rm", "-rf", ".git") }, want: []string{"in no git repository", "git init"}},
		"no manifest": {spoil: func(t *testing.T, dir string) {
			proxytest.Write(t, dir, map[string]string{".sdk.json": "-"})
			proxytest.Commit(t, dir)
		}, want: []string{".sdk.json", "sdk new"}},
		"bad manifest": {spoil: func(t *testing.T, dir string) {
			proxytest.Write(t, dir, map[string]string{".sdk.json": `{"template":"x","version":"1","module":"","name":"A b"}`})
			proxytest.Commit(t, dir)
		}, want: []string{"template:", "version:", "module:", "name:"}},
		"no network": {spoil: func(t *testing.T, _ string) {
			t.Setenv("GOPROXY", "http://127.0.0.1:1")
			t.Setenv("GOMODCACHE", t.TempDir())
		}, want: []string{"no module proxy answers"}},
		"unknown version": {args: []string{"-to", "v7.0.0"}, want: []string{"v7.0.0"}},
		"tidy fails": {spoil: func(t *testing.T, dir string) {
			proxytest.Write(t, dir, map[string]string{"extra.go": "package main\n\nimport _ \"example.com/missing\"\n"})
			proxytest.Commit(t, dir)
		}, want: []string{"nothing was written, because go mod tidy failed", "example.com/missing"}},
		"downwards": {spoil: func(t *testing.T, dir string) {
			if code, _, errs := sdk(t, dir, "upgrade"); code != 0 {
				t.Fatal(errs)
			}
			proxytest.Commit(t, dir)
		}, args: []string{"-to", "v0.1.0"}, want: []string{"only upwards"}},
		// The write of the last file fails, after others were written: a folder stands where its temporary file would.
		"write fails": {spoil: func(t *testing.T, dir string) {
			proxytest.Write(t, dir, map[string]string{"go.mod.sdk-tmp/x": "x"})
			proxytest.Commit(t, dir)
		}, want: []string{"nothing was changed", "go.mod"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t)
			dir := orders(t)
			publish(t, p, "v0.2.0", second())
			if test.spoil != nil {
				test.spoil(t, dir)
			}
			before := proxytest.Read(t, dir)
			code, out, errs := sdk(t, dir, append([]string{"upgrade"}, test.args...)...)
			if code != 2 {
				t.Errorf("exit %d, want 2\n%s", code, out)
			}
			wantText(t, "upgrade", errs, test.want...)
			if after := proxytest.Read(t, dir); !maps.Equal(before, after) {
				t.Errorf("the tree has changed: %v", after)
			}
		})
	}
}

func TestUpgradeFromEveryReleasedVersionBuilds(t *testing.T) {
	p := serve(t)
	publish(t, p, "v0.2.0", second())
	for _, from := range []string{"v0.1.0", "v0.2.0"} {
		dir := t.TempDir()
		if code, _, errs := sdk(t, dir, "new", "-template", "helloservice@"+from, "github.com/acme/orders"); code != 0 {
			t.Fatal(errs)
		}
		proxytest.Commit(t, filepath.Join(dir, "orders"))
	}
	third := second()
	third["Dockerfile"] += "ENV A=b\n"
	publish(t, p, "v0.3.0", third)
	for _, from := range []string{"v0.1.0", "v0.2.0"} {
		dir := t.TempDir()
		if code, _, errs := sdk(t, dir, "new", "-template", "helloservice@"+from, "github.com/acme/orders"); code != 0 {
			t.Fatal(errs)
		}
		dir = filepath.Join(dir, "orders")
		proxytest.Commit(t, dir)
		if code, out, errs := sdk(t, dir, "upgrade"); code != 0 {
			t.Fatalf("from %s: exit %d\n%s%s", from, code, out, errs)
		}
		wantFiles(t, dir, map[string]string{"Dockerfile": "FROM golang:1.27\nRUN go build -o /orders .\nUSER 1000\nENV A=b\n"})
		proxytest.Run(t, dir, "go", "test", "./...")
	}
}
