package cli_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/cmd/sdk/internal/cli"
	"github.com/backend-platform/sdk/cmd/sdk/internal/proxytest"
)

const root = "github.com/backend-platform/sdk/"

// toy is a template that shows each rule, in its first version.
var toy = map[string]string{
	"go.mod":       "module " + root + "templates/helloservice\n\ngo 1.26.0\n\nrequire " + root + "lib v0.1.0\n",
	"go.sum":       "", // the proxy has no checksum database, so hashes are added by the test
	"CHANGELOG.md": "of the template\n",
	"README.md":    "# helloservice\n",
	"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\t\"" + root + "lib\"\n\t\"" + root + "templates/helloservice/internal/api\"\n)\n\n" +
		"func main() { fmt.Println(lib.Name, api.Name) }\n",
	"internal/api/api.go":      "// Package api is helloservice's.\npackage api\n\n// Name is the service's, not helloservices.\nconst Name = \"helloservice\"\n",
	"internal/api/api_test.go": "package api\n\nimport \"testing\"\n\nfunc TestName(t *testing.T) {\n\tif Name == \"\" {\n\t\tt.Fatal()\n\t}\n}\n",
	"Dockerfile":               "FROM golang:1.26\nRUN go build -o /helloservice .\nUSER 1000\n",
	"deploy/helloservice.yaml": "kind: Deployment\nname: helloservice\nreplicas: 1\n# a\n# b\ngrace: 30\n",
	".github/workflows/ci.yml": "steps:\n  - run: go vet ./...\n  - run: go test ./...\n  # Yours below\n",
	".golangci.yml":            "linters: {}\n",
	"compose.yaml":             "services:\n  helloservice: {}\n",
	"logo.png":                 "\x00helloservice",
	".sdk.json":                "{}\n",
}

// with returns toy with other files; "-" leaves one out.
func with(changes map[string]string) map[string]string {
	files := maps.Clone(toy)
	for name, text := range changes {
		files[name] = text
		if text == "-" {
			delete(files, name)
		}
	}
	return files
}

// serve publishes the library in two versions and the toy in its first.
func serve(t *testing.T) *proxytest.Proxy {
	t.Helper()
	p := proxytest.Serve(t)
	for _, version := range []string{"v0.1.0", "v0.2.0"} {
		p.Publish(t, root+"lib@"+version, map[string]string{"go.mod": "module " + root + "lib\n\ngo 1.26.0\n",
			"lib.go": "// Package lib is a module of the SDK.\npackage lib\n\n// Name is its name.\nconst Name = \"" + version + "\"\n"})
	}
	publish(t, p, "v0.1.0", toy)
	return p
}

// publish releases a version of the toy, with the go.sum that go mod tidy makes for it.
func publish(t *testing.T, p *proxytest.Proxy, version string, files map[string]string) {
	t.Helper()
	src := t.TempDir()
	proxytest.Write(t, src, files)
	proxytest.Run(t, src, "go", "mod", "tidy")
	p.Publish(t, root+"templates/helloservice@"+version, proxytest.Read(t, src))
}

// sdk runs the command in dir.
func sdk(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	var out, err bytes.Buffer
	code = cli.Run(t.Context(), args, cli.Streams{Out: &out, Err: &err})
	return code, out.String(), err.String()
}

// orders makes the service that most tests begin with, committed, and returns its folder.
func orders(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if code, out, err := sdk(t, dir, "new", "github.com/acme/orders"); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, err)
	}
	dir = filepath.Join(dir, "orders")
	proxytest.Commit(t, dir)
	return dir
}

func wantText(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", what, part, text)
		}
	}
}

func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	have := proxytest.Read(t, dir)
	for name, text := range want {
		if have[name] != text {
			t.Errorf("%s is\n%s\nwant\n%s", name, have[name], text)
		}
	}
}

// wantEmpty demands that a failed command has left nothing behind.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
