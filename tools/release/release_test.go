package release_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// realRepository is the variable that names this repository's root to the tests with the tag realrepository, which
// keep the user's settings of the go command.
const realRepository = "RELEASE_TEST_REPOSITORY"

// The whole life of a few modules, and the services that pin each combination of their versions.
func TestReleasesOneByOne(t *testing.T) {
	r := newToy(t, nil)
	r.mustRelease(all)
	r.wantRecorded(all, "v0.1.0")
	for _, want := range []string{sdk + "errors v0.1.0 h1:", sdk + "errors v0.1.0/go.mod h1:", "example.com/dep v1.1.0 h1:"} {
		if sums := r.read("client/go.sum"); !strings.Contains(sums, want) {
			t.Errorf("client/go.sum lacks %q: %s", want, sums)
		}
	}
	if log := r.read("errors/CHANGELOG.md"); !strings.Contains(log, "## [Unreleased]\n\n## [0.1.0] - 20") || !strings.Contains(log, "\n\n### Added\n\n- Code.\n") {
		t.Errorf("changelog: %s", log)
	}
	if fixture := r.read("tools/release/testdata/wire/errors/v0.1.0/problem"); fixture != "code=not_found" {
		t.Errorf("fixture %q", fixture)
	}
	if message := r.git("tag", "--list", "--format=%(contents)", "errors/v0.1.0"); !strings.Contains(message, "### Added\n\n- Code.") {
		t.Errorf("the tag says %q", message)
	}
	firstTags := strings.Fields(r.git("tag", "--list"))
	wantError(t, r.release(all), "errors/v0.1.0 is there already", "client/v0.1.0 is there already", "templates/hello/v0.1.0 is there already")

	r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() {}\n\n// Code is.")
	r.note("errors", "### Added\n\n- New.")
	r.commit()
	r.mustRelease("errors=v0.2.0")
	r.wantRecorded("errors=v0.2.0", "", firstTags...)
	if goMod := r.read("client/go.mod"); !strings.Contains(goMod, sdk+"errors v0.1.0") {
		t.Errorf("client was not released and requires %s", goMod)
	}
	if d := cmp.Diff("errors/CHANGELOG.md\ntools/release/testdata/wire/errors/v0.2.0/problem\ntools/release/testdata/wire/errors/v0.2.0/problem.means",
		r.git("show", "--format=", "--name-only", "HEAD")); d != "" {
		t.Errorf("the release of errors changed: %s", d)
	}

	r.edit("client/client.go", "return errors.Code()", "return \"\" + errors.Code()")
	r.note("client", "### Fixed\n\n- Call.")
	r.commit()
	r.mustRelease("client=v0.1.1")
	r.wantRecorded("client=v0.1.1", "v0.1.0", append(firstTags, "errors/v0.2.0")...)
	pinEach(t, r, "client", "v0.1.1", "package main\n\nimport (\n\t\"fmt\"\n\n\t\""+sdk+"client\"\n\t\""+sdk+"errors\"\n)\n\n"+
		"func main() { fmt.Println(client.Call(), errors.Code()) }\n")
}

// pinEach builds a service with the dependent at v0.1.0 and at its newer version, each with errors at v0.1.0 and v0.2.0,
// as a user would: go get, go mod tidy, go build.
func pinEach(t *testing.T, r repository, dependent, newer, program string) {
	t.Helper()
	env, _ := r.asUser()
	for _, pins := range [][2]string{{"v0.1.0", "v0.1.0"}, {"v0.1.0", "v0.2.0"}, {newer, "v0.1.0"}, {newer, "v0.2.0"}} {
		dir := t.TempDir()
		repository{t, dir}.write(map[string]string{"go.mod": "module example.com/service\n\ngo 1.26.0\n", "main.go": program})
		for _, args := range [][]string{
			{"get", sdk + dependent + "@" + pins[0], sdk + "errors@" + pins[1]}, {"mod", "tidy"}, {"build", "-mod=readonly", "-o", os.DevNull, "."},
		} {
			if _, err := goCommand(t, dir, env, args...); err != nil {
				t.Fatalf("%s %s, errors %s: %v", dependent, pins[0], pins[1], err)
			}
		}
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil || !strings.Contains(string(data), dependent+" "+pins[0]) || !strings.Contains(string(data), "errors "+pins[1]) {
			t.Errorf("want %s %s and errors %s: %s, %v", dependent, pins[0], pins[1], data, err)
		}
	}
}

func TestReleaseOfASiblingIsRequired(t *testing.T) {
	r := released(t)
	r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() string { return \"\" }\n\n// Code is.")
	r.edit("client/client.go", "return errors.Code()", "return errors.New() + errors.Code()")
	r.note("errors", "### Added\n\n- New.")
	r.note("client", "### Fixed\n\n- Call.")
	r.commit()
	r.mustRelease("client=v0.1.1 errors=v0.2.0")
	if goMod := r.read("client/go.mod"); !strings.Contains(goMod, sdk+"errors v0.2.0") {
		t.Errorf("client/go.mod: %s", goMod)
	}
	if sums := r.read("client/go.sum"); !strings.Contains(sums, sdk+"errors v0.2.0 h1:") || strings.Contains(sums, sdk+"errors v0.1.0 h1:") {
		t.Errorf("client/go.sum: %s", sums)
	}
	if work := r.read("go.work"); !strings.Contains(work, sdk+"errors v0.2.0 => ./errors") {
		t.Errorf("go.work: %s", work)
	}
	if err := r.check(); err != nil {
		t.Errorf("after the release: %v", err)
	}
}

func TestGoInstallOfAProgramInANestedModule(t *testing.T) {
	r := released(t)
	env, bin := r.asUser()
	for _, version := range []string{"v0.1.0", "latest"} {
		if _, err := goCommand(t, t.TempDir(), env, "install", sdk+"templates/hello@"+version); err != nil {
			t.Error(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "hello")).CombinedOutput(); err != nil || string(out) != "not_foundv1.1.0\n" {
		t.Errorf("hello: %q, %v", out, err)
	}
}
