package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/cmd/sdk/internal/proxytest"
)

func TestNewReplacesPathAndNameAndNothingElse(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	code, out, errs := sdk(t, dir, "new", "-name", "order-intake", "example.com/shop/intake/v2", "svc")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "new", out, "made order-intake from helloservice v0.1.0 in svc", "cd svc", "git init", "go run .")
	service := filepath.Join(dir, "svc")
	wantFiles(t, service, map[string]string{
		".sdk.json":                "{\n  \"template\": \"" + root + "templates/helloservice\",\n  \"version\": \"v0.1.0\",\n  \"module\": \"example.com/shop/intake/v2\",\n  \"name\": \"order-intake\"\n}\n",
		"deploy/order-intake.yaml": strings.ReplaceAll(toy["deploy/helloservice.yaml"], "helloservice", "order-intake"),
		"Dockerfile":               "FROM golang:1.26\nRUN go build -o /order-intake .\nUSER 1000\n",
		"logo.png":                 toy["logo.png"],
		"internal/api/api.go":      "// Package api is order-intake's.\npackage api\n\n// Name is the service's, not helloservices.\nconst Name = \"order-intake\"\n",
	})
	files := proxytest.Read(t, service)
	for _, name := range []string{"LICENSE", "CHANGELOG.md"} {
		if _, there := files[name]; there {
			t.Errorf("%s belongs to the template", name)
		}
	}
	wantText(t, "main.go", files["main.go"], `"example.com/shop/intake/v2/internal/api"`)
	// gofmt and tidy have nothing to say, and it runs.
	if out := proxytest.Run(t, service, "gofmt", "-l", "."); out != "" {
		t.Errorf("gofmt: %s", out)
	}
	proxytest.Run(t, service, "go", "mod", "tidy", "-diff")
	proxytest.Run(t, service, "go", "test", "./...")
	if out := proxytest.Run(t, service, "go", "run", "."); out != "v0.1.0 order-intake\n" {
		t.Errorf("it says %q", out)
	}
}

func TestNewSortsTheImportsThatTheNewPathMoves(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	if code, out, errs := sdk(t, dir, "new", "aaa.example/orders"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	text := proxytest.Read(t, dir)["orders/main.go"]
	if own, lib := strings.Index(text, "aaa.example"), strings.Index(text, root+"lib"); own < 0 || own > lib {
		t.Errorf("imports are not sorted:\n%s", text)
	}
}

func TestNewTakesAnEmptyFolderAndAnEmptyClone(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	for _, name := range []string{"empty", "clone"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	proxytest.Run(t, filepath.Join(dir, "clone"), "git", "init", "-q")
	for _, name := range []string{"empty", "clone"} {
		if code, out, errs := sdk(t, dir, "new", "github.com/acme/orders", name); code != 0 {
			t.Fatalf("%s: exit %d\n%s%s", name, code, out, errs)
		}
		wantFiles(t, filepath.Join(dir, name), map[string]string{"README.md": "# orders\n"})
	}
	if _, err := os.Stat(filepath.Join(dir, "clone", ".git")); err != nil {
		t.Errorf("the repository is gone: %v", err)
	}
}

func TestNewJoinsTheWorkspaceAroundIt(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	proxytest.Write(t, dir, map[string]string{"go.work": "go 1.26.0\n"})
	if code, out, errs := sdk(t, dir, "new", "github.com/acme/orders"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	wantText(t, "go.work", proxytest.Read(t, dir)["go.work"], "use ./orders")
	proxytest.Run(t, filepath.Join(dir, "orders"), "go", "test", "./...")
}

func TestNewThatCannotJoinTheWorkspaceLeavesBothAsTheyWere(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	broken := "go 1.26.0\n\nuse ./gone\n\nnonsense\n"
	proxytest.Write(t, dir, map[string]string{"go.work": broken})
	code, _, errs := sdk(t, dir, "new", "github.com/acme/orders")
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	wantText(t, "new", errs, "go.work", "GOWORK=off")
	if files := proxytest.Read(t, dir); len(files) != 1 || files["go.work"] != broken {
		t.Errorf("left behind: %v", files)
	}
}

func TestNewSaysWhatIsWrongAndWritesNothing(t *testing.T) {
	p := serve(t)
	p.Publish(t, "example.com/newer@v0.1.0", map[string]string{"go.mod": "module example.com/newer\n\ngo 1.99.0\n", "main.go": "package main\n\nfunc main() {}\n"})
	p.Publish(t, "example.com/broken@v0.1.0", map[string]string{"go.mod": "module example.com/broken\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport _ \"example.com/missing\"\n\nfunc main() {}\n"})
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		want []string
	}{
		"no module":       {args: []string{}, want: []string{"module path is missing", "github.com/acme/orders", "sdk help new"}},
		"no dot":          {args: []string{"orders"}, want: []string{"bad", `"orders"`, "github.com/acme/orders"}},
		"bad characters":  {args: []string{"github.com/acme/or ders"}, want: []string{"bad", "or ders"}},
		"version":         {args: []string{"github.com/acme/orders@v1"}, want: []string{"it has no version"}},
		"bad name":        {args: []string{"github.com/acme/Orders_2"}, want: []string{"Orders_2", "DNS label", "-name"}},
		"unknown":         {args: []string{"-template", "helloworld", "github.com/acme/orders"}, want: []string{"unknown template helloworld", "helloservice", "helloworker"}},
		"unknown version": {args: []string{"-template", "helloservice@v9.9.9", "github.com/acme/orders"}, want: []string{"v9.9.9"}},
		"empty version":   {args: []string{"-template", "helloservice@", "github.com/acme/orders"}, want: []string{"after @ is missing"}},
		"no network":      {args: []string{"github.com/acme/orders"}, env: map[string]string{"GOPROXY": "http://127.0.0.1:1"}, want: []string{"no module proxy answers", "GOPROXY=http://127.0.0.1:1", "check the network"}},
		"proxy off":       {args: []string{"github.com/acme/orders"}, env: map[string]string{"GOPROXY": "off"}, want: []string{"no module proxy answers", "GOPROXY=off"}},
		"older Go":        {args: []string{"-template", "example.com/newer", "github.com/acme/orders"}, want: []string{"needs a newer Go", "go >= 1.99.0", "GOTOOLCHAIN=auto", "https://go.dev/dl/"}},
		"broken template": {args: []string{"-template", "example.com/broken", "github.com/acme/orders"}, want: []string{"nothing was written", "example.com/missing"}},
		"no parent":       {args: []string{"github.com/acme/orders", "a/b/orders"}, want: []string{"make it first"}},
		"flag":            {args: []string{"-colour", "x", "github.com/acme/orders"}, want: []string{"-colour", "sdk help new"}},
		"too many":        {args: []string{"github.com/acme/orders", "a", "b"}, want: []string{`too many arguments: "b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range test.env {
				t.Setenv(key, value)
				t.Setenv("GOMODCACHE", t.TempDir())
			}
			dir := t.TempDir()
			code, _, errs := sdk(t, dir, append([]string{"new"}, test.args...)...)
			if code != 2 {
				t.Errorf("exit %d, want 2", code)
			}
			wantText(t, "new", errs, test.want...)
			wantEmpty(t, dir)
		})
	}
}

func TestNewLeavesAFolderThatIsNotEmptyAlone(t *testing.T) {
	serve(t)
	dir := t.TempDir()
	proxytest.Write(t, dir, map[string]string{"orders/mine.txt": "mine"})
	code, _, errs := sdk(t, dir, "new", "github.com/acme/orders")
	if code != 2 {
		t.Errorf("exit %d", code)
	}
	wantText(t, "new", errs, "is not empty", "mine.txt", "nothing was written")
	if files := proxytest.Read(t, dir); len(files) != 1 {
		t.Errorf("files %v", files)
	}
}
