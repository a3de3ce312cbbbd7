package release_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/internal/outside"
	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/release"
)

const sdk = "github.com/backend-platform/sdk/"

// toy is a repository like this one with three small modules: client uses errors, and the template, which lies in a
// nested folder and is a program, uses client. What services say to each other is a line "code=…".
var toy = map[string]string{
	".gitignore": "/bin/\n",
	"LICENSE":    "Apache License\nVersion 2.0\n",
	"go.work":    "go 1.26.0\n\nuse (\n\t./client\n\t./errors\n\t./templates/hello\n)\n",

	"errors/go.mod":       "module " + sdk + "errors\n\ngo 1.26.0\n",
	"errors/errors.go":    "// Package errors is.\npackage errors\n\n// Member is a name on the wire.\nconst Member = \"code\"\n\n// Code is.\nfunc Code() string { return \"not_found\" }\n",
	"errors/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Code.\n",
	"errors/README.md":    "# errors\n\n## Defaults\n\n| Field | Default | Meaning |\n| --- | --- | --- |\n| `Timeout` | 30 s | how long |\n",

	"client/go.mod": "module " + sdk + "client\n\ngo 1.26.0\n",
	"client/client.go": "// Package client is.\npackage client\n\nimport (\n\t\"example.com/dep\"\n\t\"" + sdk + "errors\"\n)\n\n" +
		"// Call is.\nfunc Call() string { return errors.Code() + dep.Word }\n",
	"client/client_test.go": "package client_test\n\nimport (\n\t\"testing\"\n\n\t\"" + sdk + "client\"\n)\n\nfunc TestCall(t *testing.T) {\n\tif client.Call() == \"\" {\n\t\tt.Fail()\n\t}\n}\n",
	"client/CHANGELOG.md":   "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Call.\n",
	"client/README.md":      "# client\n",

	"templates/hello/go.mod":       "module " + sdk + "templates/hello\n\ngo 1.26.0\n",
	"templates/hello/main.go":      "// Command hello is.\npackage main\n\nimport (\n\t\"fmt\"\n\n\t\"" + sdk + "client\"\n)\n\nfunc main() { fmt.Println(client.Call()) }\n",
	"templates/hello/CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A program.\n",
	"templates/hello/README.md":    "# hello\n",

	"tools/repocheck/testdata/budget/client.txt":          "example.com/dep MIT\n" + sdk + "errors Apache-2.0\n",
	"tools/repocheck/testdata/budget/errors.txt":          "",
	"tools/repocheck/testdata/budget/templates/hello.txt": "example.com/dep MIT\n" + sdk + "client Apache-2.0\n" + sdk + "errors Apache-2.0\n",

	"tools/release/testdata/programs/service/main.go": `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"

	"` + sdk + `client"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	fmt.Println("http://" + listener.Addr().String())
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, client.Call()) }))
	<-stop
}
`,
	"tools/release/testdata/programs/wire/main.go": `package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"` + sdk + `errors"
)

func main() {
	var err error
	if os.Args[1] == "write" {
		dir := filepath.Join(os.Args[2], "errors")
		os.MkdirAll(dir, 0o777)
		err = os.WriteFile(filepath.Join(dir, "problem"), []byte(errors.Member+"="+errors.Code()), 0o666)
	} else {
		var data []byte
		if data, err = os.ReadFile(os.Args[3]); err == nil {
			for pair := range strings.SplitSeq(string(data), " ") {
				if name, value, _ := strings.Cut(pair, "="); name == errors.Member {
					fmt.Println("code", value)
				}
			}
		}
	}
	if err != nil {
		panic(err)
	}
}
`,
	"tools/release/testdata/wire/errors/unreleased/problem":       "code=not_found",
	"tools/release/testdata/wire/errors/unreleased/problem.means": "code not_found\n",
}

// gorelease is the program that TestMain found.
var gorelease string

// all are the targets of a first release.
const all = "errors=v0.1.0 client=v0.1.0 templates/hello=v0.1.0"

// TestMain gives git and the go command a world of their own: no settings of the user, no network, and a module proxy
// with two versions of one invented module.
func TestMain(m *testing.M) {
	if dir := os.Getenv(signalled); dir != "" {
		releaseAsCommand(dir)
		return
	}
	os.Exit(func() int {
		find := exec.Command("go", "tool", "-n", "gorelease") // from the user's module cache, while that is in use
		find.Env = append(find.Environ(), "GOWORK=off")
		program, err := find.Output()
		if err != nil {
			panic(err)
		}
		gorelease = strings.TrimSpace(string(program))
		temp, err := os.MkdirTemp("", "release-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(temp)
		for name, value := range map[string]string{
			"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_NOSYSTEM": "1",
			"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
		} {
			os.Setenv(name, value)
		}
		if os.Getenv(realRepository) == "" {
			for name, value := range map[string]string{
				"GOPROXY": "file://" + filepath.ToSlash(temp) + "/proxy", "GOMODCACHE": filepath.Join(temp, "modcache"),
				"GOFLAGS": "-modcacherw -buildvcs=false", "GOSUMDB": "off", "GOPRIVATE": "", "GOWORK": "",
			} {
				os.Setenv(name, value)
			}
		}
		for _, version := range []string{"v1.0.0", "v1.1.0"} {
			for _, path := range []string{"example.com/dep", "example.com/more"} {
				publish(temp, module.Version{Path: path, Version: version})
			}
		}
		return m.Run()
	}())
}

func publish(temp string, mod module.Version) {
	goMod := "module " + mod.Path + "\n\ngo 1.26.0\n"
	src := filepath.Join(temp, "src", mod.String())
	for name, text := range map[string]string{
		"go.mod": goMod, "dep.go": "package dep\n\nconst Word = \"" + mod.Version + "\"\n", "LICENSE": "Permission is hereby granted, free of charge\n",
	} {
		if err := os.MkdirAll(src, 0o777); err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o666); err != nil {
			panic(err)
		}
	}
	_, err := modproxy.WriteModule(filepath.Join(temp, "proxy"), mod, []byte(goMod), func(w io.Writer) error { return modzip.CreateFromDir(w, mod, src) })
	if err != nil {
		panic(err)
	}
}

// A repository is one under test.
type repository struct {
	t   *testing.T
	dir string
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(name)))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r repository) write(files map[string]string) {
	r.t.Helper()
	outside.Write(r.t, r.dir, files)
}

// edit replaces a text in a file, and fails where it is not.
func (r repository) edit(name, old, text string) repository {
	r.t.Helper()
	before := r.read(name)
	if !strings.Contains(before, old) {
		r.t.Fatalf("%s has no %q", name, old)
	}
	r.write(map[string]string{name: strings.Replace(before, old, text, 1)})
	return r
}

func (r repository) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "-m", "change")
}

func (r repository) note(module, text string) {
	r.t.Helper()
	r.edit(module+"/CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n"+text+"\n")
}

func (r repository) tidy() {
	r.t.Helper()
	ws, err := modproxy.Load(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := ws.Tidy(r.t.Context(), modproxy.TidyOptions{Log: r.t.Output()}); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) release(targets string, change ...func(*release.Options)) error {
	r.t.Helper()
	return r.releaseContext(r.t.Context(), targets, change...)
}

func (r repository) releaseContext(ctx context.Context, targets string, change ...func(*release.Options)) error {
	r.t.Helper()
	parsed, err := release.ParseTargets(strings.Fields(targets))
	if err != nil {
		r.t.Fatal(err)
	}
	opts := release.Options{Root: r.dir, Targets: parsed, Log: r.t.Output()}
	opts.Gorelease(gorelease)
	for _, change := range change {
		change(&opts)
	}
	return release.Run(ctx, opts)
}

func (r repository) mustRelease(targets string, change ...func(*release.Options)) {
	r.t.Helper()
	if err := r.release(targets, change...); err != nil {
		r.t.Fatal(err)
	}
}

func (r repository) check() error {
	r.t.Helper()
	return release.Check(r.t.Context(), release.Options{Root: r.dir, Log: r.t.Output()})
}

// state is everything that a release could change, and what it would leave if it were ended in the wrong way.
func (r repository) state() string {
	r.t.Helper()
	return r.git("for-each-ref") + "\n" + r.git("status", "--porcelain") + "\n" + r.git("symbolic-ref", "HEAD") + "\n" + r.git("stash", "list") + "\n" + r.locks()
}

// locks are the files that git makes while it writes, and that keep it from writing while they are there.
func (r repository) locks() string {
	r.t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(r.dir, ".git"), func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".lock" {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(found, "\n")
}

// newToy is the toy, tidy and committed, without a release. changes are made to it first.
func newToy(t *testing.T, changes map[string]string) repository {
	t.Helper()
	r := repository{t, t.TempDir()}
	files := maps.Clone(toy)
	maps.Copy(files, changes)
	r.write(files)
	r.tidy()
	r.git("init", "--quiet", "--initial-branch=main")
	r.commit()
	return r
}

var firstRelease struct {
	once sync.Once
	dir  string
}

// released is a clone of the toy whose modules are all at v0.1.0.
func released(t *testing.T) repository {
	t.Helper()
	firstRelease.once.Do(func() {
		toy := newToy(t, nil)
		toy.mustRelease(all)
		dir, err := os.MkdirTemp(filepath.Dir(os.Getenv("GOMODCACHE")), "released-")
		if err != nil {
			t.Fatal(err)
		}
		toy.git("clone", "--quiet", "--bare", toy.dir, dir)
		firstRelease.dir = dir
	})
	r := repository{t, t.TempDir()}
	if firstRelease.dir == "" {
		t.Fatal("the first release failed")
	}
	r.git("clone", "--quiet", firstRelease.dir, ".")
	return r
}

// goCommand runs the go command as a user does.
func goCommand(t *testing.T, dir string, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want an error with %q, got %v", text, err)
		}
	}
}
