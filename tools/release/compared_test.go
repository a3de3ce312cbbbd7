package release_test

import (
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/release"
)

// twice is a repository with two releases: errors v0.2.0 has a function more and another default than v0.1.0, and client
// v0.2.0 uses that function.
func twice(t *testing.T) repository {
	t.Helper()
	r := released(t)
	r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() string { return \"\" }\n\n// Code is.")
	r.edit("errors/README.md", "| 30 s |", "| 20 s |")
	r.note("errors", "### Changed defaults\n\n- Timeout is 20 s.\n\n### Added\n\n- New.")
	r.edit("client/client.go", "return errors.Code()", "return errors.New() + errors.Code()")
	r.note("client", "### Fixed\n\n- Call.")
	r.commit()
	r.mustRelease("errors=v0.2.0 client=v0.2.0")
	return r
}

// What is compared is the last release, not the first.
func TestTheTreeIsComparedWithTheLastRelease(t *testing.T) {
	first := twice(t)
	if err := first.check(); err != nil {
		t.Fatalf("before any fault: %v", err)
	}
	for _, test := range []struct {
		name    string
		change  func(r repository)
		targets string
		want    []string // none: it is no fault
	}{
		{"a default goes back to that of the first release", func(r repository) {
			r.edit("errors/README.md", "| 20 s |", "| 30 s |")
		}, "", []string{"errors/README.md differs from v0.2.0", "Defaults: `Timeout`: 30 s, was 20 s", "### Changed defaults"}},
		{"a default that was changed once more, with its line", func(r repository) {
			r.edit("errors/README.md", "| 20 s |", "| 10 s |")
			r.note("errors", "### Changed defaults\n\n- Timeout is 10 s.")
		}, "", nil},
		{"the line of the last release does not speak for the next", func(r repository) {
			r.edit("errors/README.md", "| 20 s |", "| 10 s |")
			r.note("errors", "### Fixed\n\n- Something.")
		}, "errors=v0.2.1", []string{"Defaults: `Timeout`: 10 s, was 20 s"}},
		{"a function goes that the first release did not have", func(r repository) {
			r.edit("errors/errors.go", "// New is.\nfunc New() string { return \"\" }\n\n", "")
			r.edit("client/client.go", "errors.New() + ", "")
			r.note("errors", "### Fixed\n\n- New is gone.")
		}, "errors=v0.2.1", []string{"errors v0.2.1 is a patch and breaks the API of v0.2.0", "New: removed", "v0.3.0"}},
		{"the newest client still needs it", func(r repository) {
			r.edit("errors/errors.go", "// New is.\nfunc New() string { return \"\" }\n\n", "")
			r.edit("client/client.go", "errors.New() + ", "")
			r.note("errors", "### Migration\n\n- New is gone.")
		}, "errors=v0.3.0", []string{"a service that uses all modules does not build", "undefined: errors.New"}},
		{"the oldest supported client still needs it", func(r repository) {
			r.note("errors", "### Fixed\n\n- Something.")
			r.edit("client/client.go", "errors.New() + ", "")
			r.note("client", "### Fixed\n\n- Call.")
			r.commit()
			r.mustRelease("errors=v0.2.1 client=v0.3.0")
			r.edit("errors/errors.go", "// New is.\nfunc New() string { return \"\" }\n\n", "")
			r.note("errors", "### Migration\n\n- New is gone.")
		}, "errors=v0.3.0", []string{"client v0.2.0, which services may still have, does not compile with errors v0.3.0", "undefined: errors.New"}},
		{"nobody has a client any more that needs it", func(r repository) {
			r.edit("client/client.go", "errors.New() + ", "")
			for _, version := range []string{"v0.3.0", "v0.4.0"} {
				r.note("client", "### Fixed\n\n- Call.")
				r.commit()
				r.mustRelease("client=" + version)
			}
			r.edit("errors/errors.go", "// New is.\nfunc New() string { return \"\" }\n\n", "")
			r.note("errors", "### Migration\n\n- New is gone.")
		}, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := repository{t, t.TempDir()}
			r.git("clone", "--quiet", first.dir, ".")
			test.change(r)
			r.commit()
			var err error
			if test.targets == "" {
				err = r.check()
			} else {
				err = r.release(test.targets)
			}
			wantError(t, err, test.want...)
			if len(test.want) == 0 && err != nil {
				t.Error(err)
			}
		})
	}
}

// A check cannot compare with what is not there, and says so.
func TestWhatCannotBeComparedIsNamed(t *testing.T) {
	said := func(r repository) (string, error) {
		var log strings.Builder
		err := release.Check(t.Context(), release.Options{Root: r.dir, Log: &log})
		return log.String(), err
	}
	const note = "no release yet, so that defaults, api, diamond and wire have nothing to compare with: "
	toy := newToy(t, nil)
	if log, err := said(toy); err != nil || !strings.Contains(log, note+"errors, client, templates/hello\n") {
		t.Errorf("before the first release: %v\n%s", err, log)
	}
	toy.mustRelease("errors=v0.1.0 client=v0.1.0")
	if log, err := said(toy); err != nil || !strings.Contains(log, note+"templates/hello\n") {
		t.Errorf("after the first releases: %v\n%s", err, log)
	}
	toy.git("tag", "--delete", "errors/v0.1.0", "client/v0.1.0") // as in a shallow clone
	_, err := said(toy)
	wantError(t, err, "errors/CHANGELOG.md: a heading for v0.1.0, and no tag errors/v0.1.0", "git fetch --tags")
}
