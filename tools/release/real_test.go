//go:build realrepository

package release_test

import (
	"os"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/release"
)

// A clone of this repository is released as it is, then in parts, and used as a user would. It takes some minutes: make
// test-release.
func TestRealRepositoryIsReleased(t *testing.T) {
	r := repository{t, t.TempDir()}
	r.git("clone", "--quiet", "--shared", os.Getenv(realRepository), ".")
	r.git("switch", "--quiet", "--force-create", "main")
	for _, tag := range strings.Fields(r.git("tag", "--list")) {
		r.git("tag", "--delete", tag)
	}
	ws, err := modproxy.Load(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range ws.Modules {
		if !m.Extra && m.Name != "examples" {
			targets = append(targets, m.Name+"=v0.1.0")
		}
	}
	skipTests := func(o *release.Options) { o.SkipTests = true } // make test-standalone has run them
	r.mustRelease(strings.Join(targets, " "), skipTests)

	env := append(r.serve(strings.Fields(r.git("tag", "--list"))...), "GOBIN="+t.TempDir())
	for _, program := range []string{"kafka/cmd/kafka-dlq@v0.1.0", "cmd/sdk@latest"} {
		if _, err := goCommand(t, t.TempDir(), env, "install", sdk+program); err != nil {
			t.Errorf("%s: %v", program, err)
		}
	}

	r.write(map[string]string{"errors/addition.go": "package errors\n\n// Addition is new.\nfunc Addition() {}\n"})
	r.note("errors", "### Added\n\n- Addition.")
	r.commit()
	r.mustRelease("errors=v0.2.0", skipTests)
	r.write(map[string]string{"httpclient/fix.go": "package httpclient\n\nconst fixed = 1\n\nvar _ = fixed\n"})
	r.note("httpclient", "### Fixed\n\n- Something.")
	r.commit()
	r.mustRelease("httpclient=v0.1.1", skipTests)
	pinEach(t, r, "httpclient", "v0.1.1", "package main\n\nimport (\n\t\"fmt\"\n\n\t\""+sdk+"errors\"\n\t\""+sdk+"httpclient\"\n)\n\n"+
		"func main() {\n\tclient, err := httpclient.New(\"x\", httpclient.Config{})\n\tfmt.Println(client != nil, errors.CodeOf(err))\n}\n")
	wantError(t, r.release("httpclient=v0.1.1", skipTests), "httpclient/v0.1.1 is there already")
	if err := r.check(); err != nil {
		t.Errorf("after the releases: %v", err)
	}
}
