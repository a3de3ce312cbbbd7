//go:build realrepository

package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
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
	first := strings.Join(targets, " ")
	r.mustRelease(first, skipTests)
	r.wantRecorded(first, "v0.1.0")
	tags := strings.Fields(r.git("tag", "--list"))
	wantError(t, r.release(first, skipTests), "errors/v0.1.0 is there already")
	installPrograms(t, r)

	r.write(map[string]string{"errors/addition.go": "package errors\n\n// Addition is new.\nfunc Addition() {}\n"})
	r.note("errors", "### Added\n\n- Addition.")
	r.commit()
	r.mustRelease("errors=v0.2.0", skipTests)
	r.wantRecorded("errors=v0.2.0", "v0.1.0", tags...)
	r.write(map[string]string{"httpclient/fix.go": "package httpclient\n\nconst fixed = 1\n\nvar _ = fixed\n"})
	r.note("httpclient", "### Fixed\n\n- Something.")
	r.commit()
	r.mustRelease("httpclient=v0.1.1", skipTests)
	r.wantRecorded("httpclient=v0.1.1", "v0.1.0", append(tags, "errors/v0.2.0")...)
	pinEach(t, r, "httpclient", "v0.1.1", "package main\n\nimport (\n\t\"fmt\"\n\n\t\""+sdk+"errors\"\n\t\""+sdk+"httpclient\"\n)\n\n"+
		"func main() {\n\tclient, err := httpclient.New(\"x\", httpclient.Config{})\n\tfmt.Println(client != nil, errors.CodeOf(err))\n}\n")
	wantError(t, r.release("httpclient=v0.1.1", skipTests), "httpclient/v0.1.1 is there already")
	if err := r.check(); err != nil {
		t.Errorf("after the releases: %v", err)
	}
}

// installPrograms installs each program as its README says, and runs it.
func installPrograms(t *testing.T, r repository) {
	t.Helper()
	env, bin := r.asUser()
	for _, test := range []struct{ install, run, module string }{
		{"kafka/cmd/kafka-dlq@v0.1.0", "kafka-dlq", "kafka"}, {"cmd/sdk@latest", "sdk", "cmd/sdk"},
	} {
		if _, err := goCommand(t, t.TempDir(), env, "install", sdk+test.install); err != nil {
			t.Errorf("%s: %v", test.install, err)
			continue
		}
		out, _ := exec.CommandContext(t.Context(), filepath.Join(bin, test.run), "-h").CombinedOutput() // its exit code is its own
		if !strings.Contains(string(out), test.run) {
			t.Errorf("%s -h says %q", test.run, out)
		}
		if out, err := goCommand(t, t.TempDir(), env, "version", "-m", filepath.Join(bin, test.run)); err != nil || !strings.Contains(out, sdk+test.module+"\tv0.1.0\th1:") {
			t.Errorf("go version -m %s: %s, %v", test.run, out, err)
		}
	}
}
