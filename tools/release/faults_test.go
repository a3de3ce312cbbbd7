package release_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/release"
)

// Each fault is committed in a clone of a released repository. check: gates find it in the tree; otherwise the release
// of the targets does. Nothing of a refused release is left.
func TestFaultsAreFound(t *testing.T) {
	const added = "### Added\n\n- More."
	for _, test := range []struct {
		name    string
		fault   func(r repository)
		targets string // empty: release-check finds it
		want    []string
	}{
		{"a breaking change in a patch", func(r repository) {
			r.edit("errors/errors.go", "// Code is.\nfunc Code()", "// Code is.\nfunc Code(int)")
			r.edit("client/client.go", "errors.Code()", "errors.Code(1)")
			r.edit("tools/release/testdata/programs/wire/main.go", "errors.Code()", "errors.Code(1)")
			r.note("errors", added)
		}, "errors=v0.1.1", []string{"errors v0.1.1 is a patch and breaks the API of v0.1.0", "Code: changed from func() string to func(int) string", "v0.2.0"}},
		{"a breaking change in a minor version without a migration note", func(r repository) {
			r.edit("errors/errors.go", "// Member is", "// Name is").edit("errors/errors.go", "const Member", "const Name")
			r.edit("tools/release/testdata/programs/wire/main.go", "errors.Member", "errors.Name").edit("tools/release/testdata/programs/wire/main.go", "errors.Member", "errors.Name")
			r.note("errors", added)
		}, "errors=v0.2.0", []string{"errors breaks the API of v0.1.0", "### Migration", "Member: removed"}},
		{"a breaking change, found before anybody releases it", func(r repository) {
			r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() {}\n\n// Code is.")
			r.edit("client/client.go", "// Call is.\nfunc Call()", "// Call is.\nfunc Call(...int)")
		}, "", []string{"client breaks the API of v0.1.0", "client/CHANGELOG.md"}},
		{"a sibling's function before its release", func(r repository) {
			r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() string { return \"\" }\n\n// Code is.")
			r.edit("client/client.go", "errors.Code()", "errors.New()")
			r.note("client", added)
		}, "client=v0.1.1", []string{"client does not stand alone", "undefined: errors.New"}},
		{"a version of a sibling that is not released", func(r repository) {
			r.edit("client/go.mod", "errors v0.1.0", "errors v0.2.0")
			r.tidy()
		}, "", []string{"client/go.mod:", "errors@v0.2.0", "v0.1.0 is the newest release"}},
		{"a go.sum line that was forgotten", func(r repository) {
			sums := r.read("client/go.sum")
			i := strings.Index(sums, "example.com/dep v1.1.0 h1:")
			r.edit("client/go.sum", sums[i:i+strings.Index(sums[i:], "\n")+1], "")
		}, "", []string{"client/go.sum is not tidy", "example.com/dep v1.1.0 h1:"}},
		{"a replace in a go.mod", func(r repository) {
			r.edit("client/go.mod", "go 1.26.0\n", "go 1.26.0\n\nreplace "+sdk+"errors => ../errors\n")
		}, "", []string{"client/go.mod:", "a replace is for go.work"}},
		{"a changed default without its line", func(r repository) {
			r.edit("errors/README.md", "| 30 s |", "| 10 s |")
			r.note("errors", added)
		}, "", []string{"Defaults: `Timeout`: 10 s, was 30 s", "### Changed defaults"}},
		{"a dependency over budget", func(r repository) {
			r.edit("client/client.go", "\"example.com/dep\"", "\"example.com/dep\"\n\t_ \"example.com/more\"")
			r.tidy()
		}, "", []string{"client/go.mod: links what its budget does not have: example.com/more MIT"}},
		{"a diamond that does not compile", func(r repository) {
			// Each is fine by itself: errors v0.2.0 has its migration note, and client v0.1.1 follows it. A service
			// that upgrades errors alone is left with client v0.1.0.
			r.edit("errors/errors.go", "// Code is.\nfunc Code()", "// Code is.\nfunc Code(int)")
			r.edit("client/client.go", "errors.Code()", "errors.Code(1)")
			r.edit("tools/release/testdata/programs/wire/main.go", "errors.Code()", "errors.Code(1)")
			r.note("errors", "### Migration\n\n- Code has a parameter.")
			r.note("client", added)
		}, "errors=v0.2.0 client=v0.1.1", []string{"client v0.1.0, which services may still have, does not compile with errors v0.2.0", "not enough arguments"}},
		{"a member that the last release cannot read", func(r repository) {
			r.edit("errors/errors.go", "Member = \"code\"", "Member = \"kode\"")
			r.write(map[string]string{"tools/release/testdata/wire/errors/unreleased/problem": "kode=not_found"})
		}, "", []string{"the last release reads tools/release/testdata/wire/errors/unreleased/problem", `does not find "code not_found"`}},
		{"a release that the tree cannot read", func(r repository) {
			r.edit("errors/errors.go", "Member = \"code\"", "Member = \"kode\"")
			r.write(map[string]string{"tools/release/testdata/wire/errors/unreleased/problem": "kode=not_found"})
		}, "", []string{"the tree reads tools/release/testdata/wire/errors/v0.1.0/problem"}},
		{"a change on the wire that no reviewer saw", func(r repository) {
			r.edit("errors/errors.go", "return \"not_found\"", "return \"gone\"")
		}, "", []string{"errors/unreleased/problem: what the tree puts on the wire has changed", `is  "code=gone"`}},
		{"a changelog written after a sibling recorded the hash", func(r repository) {
			// What a release by hand would do: client's go.sum, then the changelog, then the tags.
			r.git("tag", "--delete", "errors/v0.1.0")
			r.edit("errors/CHANGELOG.md", "- Code.", "- Code, which says what happened.")
			r.commit()
			r.git("tag", "errors/v0.1.0")
		}, "", []string{"client/go.sum:", "is not the hash of the tag", "changelog"}},
		{"nothing to say in the changelog", func(r repository) {}, "errors=v0.1.1", []string{"errors/CHANGELOG.md: nothing under ## [Unreleased]"}},
		{"a version that skips one", func(r repository) {}, "errors=v0.3.0", []string{"after v0.1.0 comes v0.1.1, v0.2.0, v1.0.0", "not v0.3.0"}},
		{"a major version that the path does not have", func(r repository) {}, "errors=v2.0.0", []string{"from v2 on the path ends in the major version"}},
		{"an unknown module", func(r repository) {}, "error=v0.1.1", []string{"error: no such module"}},
		{"a service that does not answer", func(r repository) {
			r.edit("tools/release/testdata/programs/service/main.go", "fmt.Fprint(w, client.Call())", "client.Call(); w.WriteHeader(500)")
		}, "", []string{"the service does not answer: status 500"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := released(t)
			test.fault(r)
			if r.git("status", "--porcelain") != "" {
				r.commit()
			}
			before := r.state()
			if test.targets == "" {
				wantError(t, r.check(), test.want...)
			} else {
				wantError(t, r.release(test.targets), test.want...)
			}
			if after := r.state(); after != before {
				t.Errorf("the repository was %s, and is %s", before, after)
			}
		})
	}
}

func TestAReleasedRepositoryPassesItsGates(t *testing.T) {
	if err := released(t).check(); err != nil {
		t.Error(err)
	}
}

func TestADirtyTreeIsRefused(t *testing.T) {
	for _, name := range []string{"errors/errors.go", "errors/new.go"} {
		r := released(t)
		r.write(map[string]string{name: "package errors\n"})
		wantError(t, r.release("errors=v0.1.1"), "the tree is dirty", name)
	}
}

func TestADependentBeforeItsSiblingIsRefused(t *testing.T) {
	r := newToy(t, nil)
	wantError(t, r.release("errors=v0.1.0"), "client has no release, and a service that uses all modules needs it")
	wantError(t, r.release("client=v0.1.0"), "put errors into this release", "errors v0.1.0 has no tag")
}

// Whatever stops a release, and wherever, the repository is as it was.
func TestAFailureInTheMiddleLeavesNothing(t *testing.T) {
	broken := errors.New("pulled the plug")
	for _, step := range []string{"pinned", "committed", "import"} {
		for _, how := range []string{"fails", "is interrupted"} {
			t.Run(step+" "+how, func(t *testing.T) {
				t.Parallel()
				r := released(t)
				r.note("errors", "### Fixed\n\n- Something.")
				r.commit()
				before := r.state()
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				reached := false
				err := r.releaseContext(ctx, "errors=v0.1.1", func(o *release.Options) {
					o.Between(func(at, _ string) error {
						if at != step {
							return nil
						}
						reached = true
						if how == "fails" {
							return broken
						}
						stop()
						return nil
					})
				})
				if err == nil || !reached {
					t.Errorf("error %v, step reached: %v", err, reached)
				}
				if after := r.state(); after != before {
					t.Errorf("the repository was %s, and is %s", before, after)
				}
			})
		}
	}
}

func TestAChangelogWrittenAfterTidyIsFound(t *testing.T) {
	r := released(t)
	r.note("errors", "### Fixed\n\n- Something.")
	r.commit()
	before := r.state()
	err := r.release("errors=v0.1.1", func(o *release.Options) {
		o.Between(func(at, dir string) error {
			if at == "pinned" {
				repository{t, dir}.edit("errors/CHANGELOG.md", "- Something.", "- Something else.")
			}
			return nil
		})
	})
	wantError(t, err, "the tag errors/v0.1.1 is not what siblings' go.sum files have recorded")
	if after := r.state(); after != before {
		t.Errorf("the repository was %s, and is %s", before, after)
	}
}

func TestATreeThatChangesMeanwhileIsNotOverwritten(t *testing.T) {
	r := released(t)
	r.note("errors", "### Fixed\n\n- Something.")
	r.commit()
	tags := r.git("tag", "--list")
	err := r.release("errors=v0.1.1", func(o *release.Options) {
		o.Between(func(at, _ string) error {
			if at == "import" {
				r.write(map[string]string{"errors/CHANGELOG.md": "mine\n"})
			}
			return nil
		})
	})
	wantError(t, err, "the tree was changed while the release was made")
	if r.read("errors/CHANGELOG.md") != "mine\n" || r.git("tag", "--list") != tags {
		t.Error("something was overwritten or released")
	}
}

// Refs have moved when the tree follows them, and it cannot, because git is at work in the repository, for an editor.
func TestATreeThatCannotFollowUndoesTheRelease(t *testing.T) {
	r := released(t)
	r.note("errors", "### Fixed\n\n- Something.")
	r.commit()
	before := r.state()
	err := r.release("errors=v0.1.1", func(o *release.Options) {
		o.Between(func(at, _ string) error {
			if at == "import" {
				r.write(map[string]string{".git/index.lock": ""})
			}
			return nil
		})
	})
	wantError(t, err, "the tree cannot follow the release's commit", "index.lock")
	if err := os.Remove(filepath.Join(r.dir, ".git", "index.lock")); err != nil {
		t.Fatal(err)
	}
	if after := r.state(); after != before {
		t.Errorf("the repository was %s, and is %s", before, after)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	r := newToy(t, nil)
	before := r.state()
	var said strings.Builder
	if err := r.release(all, func(o *release.Options) { o.DryRun, o.Log = true, &said }); err != nil {
		t.Fatal(err)
	}
	if after := r.state(); after != before {
		t.Errorf("the repository was %s, and is %s", before, after)
	}
	if !strings.Contains(said.String(), "dry run: all of it would be released: errors/v0.1.0") {
		t.Errorf("said %q", said.String())
	}
}

// From v1 on gorelease decides: what is new needs a minor version.
func TestGoreleaseDecidesFromV1On(t *testing.T) {
	r := released(t)
	r.note("errors", "### Changed\n\n- The API is stable.")
	r.commit()
	r.mustRelease("errors=v1.0.0")
	r.edit("errors/errors.go", "// Code is.", "// New is.\nfunc New() {}\n\n// Code is.")
	r.note("errors", "### Added\n\n- New.")
	r.commit()
	wantError(t, r.release("errors=v1.0.1"), "gorelease on errors", "the minor version is not incremented")
	r.mustRelease("errors=v1.1.0")
}

// The settings of the repository say who releases and whether tags are signed; its hooks have no say.
func TestAReleaseIsByTheUserOfTheRepository(t *testing.T) {
	r := released(t)
	for _, name := range []string{"GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"} {
		t.Setenv(name, "") // puts it back afterwards
		os.Unsetenv(name)
	}
	r.git("config", "user.name", "Release Team")
	r.git("config", "user.email", "release@example.com")
	r.git("config", "core.hooksPath", "hooks")
	r.write(map[string]string{".git/hooks/pre-commit": "#!/bin/sh\nexit 1\n"})
	// What git asks of gpg: a line about it, and a signature.
	r.write(map[string]string{".git/gpg": "#!/bin/sh\ncat >/dev/null\nprintf '\\n[GNUPG:] SIG_CREATED \\n' >&2\necho '-----BEGIN PGP SIGNATURE-----'\n"})
	if err := os.Chmod(filepath.Join(r.dir, ".git", "gpg"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("config", "gpg.program", filepath.Join(r.dir, ".git", "gpg"))
	r.git("config", "tag.gpgSign", "true")
	r.note("errors", "### Fixed\n\n- Something.")
	r.commit()
	r.mustRelease("errors=v0.1.1")
	if tag := r.git("cat-file", "tag", "errors/v0.1.1"); !strings.Contains(tag, "BEGIN PGP SIGNATURE") {
		t.Errorf("the tag is not signed: %s", tag)
	}
	if who := r.git("log", "-1", "--format=%cn"); who != "Release Team" {
		t.Errorf("committed by %s", who)
	}
}
