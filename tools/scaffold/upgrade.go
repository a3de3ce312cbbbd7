package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// releaseNext publishes a next version of a template: what a release changes in one, and a newer module service, so that
// go.mod changes, too.
func (r *run) releaseNext(ctx context.Context, ws *modproxy.Workspace, template string) error {
	service, m := ws.Module("service"), ws.Module("templates/"+template)
	newer, err := r.next(service, r.stage.Dir(service))
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "next-"+template)
	if err := os.CopyFS(dir, os.DirFS(r.stage.Dir(m))); err != nil {
		return err
	}
	if err := edit(dir, map[string]func(string) string{
		"Dockerfile":                   replaced("USER 65532:65532", "USER 65534:65534"),
		".github/workflows/ci.yml":     replaced("      # Yours below\n", "      - name: vulnerabilities\n        run: echo none\n      # Yours below\n"),
		".golangci.yml":                replaced("    - bodyclose\n", "    - bidichk\n    - bodyclose\n"),
		"compose.yaml":                 replaced("stop_grace_period: 30s", "stop_grace_period: 31s"),
		"deploy/" + template + ".yaml": replaced("terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 31"),
	}); err != nil {
		return err
	}
	for _, args := range [][]string{{"mod", "edit", "-require=" + service.Path + "@" + newer}, {"mod", "tidy"}} {
		if err := r.command(ctx, dir, "go", args...); err != nil {
			return err
		}
	}
	_, err = r.next(m, dir)
	return err
}

// next puts what is in dir into the proxy, as a version of m that is newer than the one that is there.
func (r *run) next(m *modproxy.Module, dir string) (string, error) {
	version := r.stage.Version(m) + "z"
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	mod := module.Version{Path: m.Path, Version: version}
	if _, err := os.Stat(filepath.Join(r.stage.Proxy(), filepath.FromSlash(m.Path), "@v", version+".mod")); err == nil {
		return version, nil // for the other template
	}
	_, err = modproxy.WriteModule(r.stage.Proxy(), mod, goMod, func(w io.Writer) error { return modzip.CreateFromDir(w, mod, dir) })
	return version, err
}

// upgrade takes a service of the given version of its template, which its team has changed by hand, to the next one.
func (r *run) upgrade(ctx context.Context, template, version string) error {
	name := "made-" + template
	base := filepath.Join(r.dir, "upgraded-"+template)
	if err := r.command(ctx, r.dir, r.sdk, "new", "-name", name, "-template", template+"@"+version, "github.com/acme/"+name, base); err != nil {
		return err
	}
	if err := r.workOn(base, name); err != nil {
		return fmt.Errorf("work on the service: %w", err)
	}
	if err := r.commit(ctx, base, "init"); err != nil {
		return err
	}
	for _, way := range []struct {
		name string
		take func(ctx context.Context, dir, name string) error
	}{{"merged", r.upgradeMerges}, {"conflict", r.upgradeConflict}, {"failure", r.upgradeFails}} {
		dir := base + "-" + way.name
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			return err
		}
		if err := way.take(ctx, dir, name); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// workOn is what happens to a service in its first month: the program moves into a package of its own, the Dockerfile
// follows, compose.yaml goes, CI gets a step, the deployment another number of replicas.
func (r *run) workOn(dir, name string) error {
	program := filepath.Join(dir, "cmd", name)
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err := errors.Join(err, os.MkdirAll(program, 0o777)); err != nil {
		return err
	}
	for _, source := range sources {
		if err := os.Rename(source, filepath.Join(program, filepath.Base(source))); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(dir, "compose.yaml")); err != nil {
		return err
	}
	return edit(dir, map[string]func(string) string{
		"Dockerfile":               replaced("-o /out/"+name+" .", "-o /out/"+name+" ./cmd/"+name),
		".github/workflows/ci.yml": func(text string) string { return text + "      - run: ./deploy.sh\n" },
		"deploy/" + name + ".yaml": replaced("replicas: 2", "replicas: 5"),
	})
}

// upgradeMerges demands that both sides' changes are there, that the result builds and passes its tests, and that a second
// upgrade changes nothing.
func (r *run) upgradeMerges(ctx context.Context, dir, name string) error {
	before, err := tree(dir)
	if err != nil {
		return err
	}
	out, code, err := r.exit(ctx, dir, r.sdk, "upgrade")
	if err != nil || code != 0 {
		return fmt.Errorf("exit code %d, %w\n%s", code, err, out)
	}
	after, err := tree(dir)
	if err != nil {
		return err
	}
	for file, texts := range map[string][]string{
		"Dockerfile":               {"USER 65534:65534", "-o /out/" + name + " ./cmd/" + name},
		".github/workflows/ci.yml": {"name: vulnerabilities", "# Yours below\n      - run: ./deploy.sh\n"},
		".golangci.yml":            {"- bidichk"},
		"deploy/" + name + ".yaml": {"replicas: 5", "terminationGracePeriodSeconds: 31"},
	} {
		for _, text := range texts {
			if !strings.Contains(after[file], text) {
				return fmt.Errorf("%s has no %q:\n%s", file, text, after[file])
			}
		}
	}
	if _, there := after["compose.yaml"]; there {
		return errors.New("compose.yaml has come back")
	}
	for file, text := range before {
		if strings.HasSuffix(file, ".go") && after[file] != text {
			return fmt.Errorf("%s was changed", file)
		}
	}
	if err := raised(before["go.mod"], after["go.mod"]); err != nil {
		return err
	}
	for _, args := range [][]string{{"go", "mod", "tidy", "-diff"}, {"go", "vet", "./..."}, {"go", "test", "./..."}} {
		if err := r.command(ctx, dir, args[0], args[1:]...); err != nil {
			return err
		}
	}
	return r.upgradeAgain(ctx, dir, after)
}

func (r *run) upgradeAgain(ctx context.Context, dir string, before map[string]string) error {
	if err := r.commit(ctx, dir, "upgrade"); err != nil {
		return err
	}
	out, code, err := r.exit(ctx, dir, r.sdk, "upgrade")
	after, errTree := tree(dir)
	if err := errors.Join(err, errTree); err != nil {
		return err
	}
	if code != 0 || !maps.Equal(before, after) {
		return fmt.Errorf("a second upgrade: exit code %d, and the tree is the same: %v\n%s", code, maps.Equal(before, after), out)
	}
	return nil
}

// upgradeConflict changes a line that the template changes, too: exit code 1, both versions in the file, and code that
// still compiles.
func (r *run) upgradeConflict(ctx context.Context, dir, _ string) error {
	if err := edit(dir, map[string]func(string) string{"Dockerfile": replaced("USER 65532:65532", "USER nobody")}); err != nil {
		return err
	}
	if err := r.commit(ctx, dir, "nobody"); err != nil {
		return err
	}
	out, code, err := r.exit(ctx, dir, r.sdk, "upgrade")
	if err != nil {
		return err
	}
	files, err := tree(dir)
	if err != nil {
		return err
	}
	const want = "<<<<<<< yours\nUSER nobody\n=======\nUSER 65534:65534\n>>>>>>>"
	if code != 1 || !strings.Contains(out, "CONFLICT") || !strings.Contains(files["Dockerfile"], want) {
		return fmt.Errorf("exit code %d, want 1\n%s\n%s", code, out, files["Dockerfile"])
	}
	return r.command(ctx, dir, "go", "vet", "./...")
}

// upgradeFails lets the write of go.mod fail, after that of the Dockerfile: the tree is as it was.
func (r *run) upgradeFails(ctx context.Context, dir, _ string) error {
	blocked := filepath.Join(dir, "go.mod.sdk-tmp") // where the new go.mod is written before it is renamed
	if err := errors.Join(os.Mkdir(blocked, 0o777), os.WriteFile(filepath.Join(blocked, "x"), nil, 0o666)); err != nil {
		return err
	}
	if err := r.commit(ctx, dir, "blocked"); err != nil {
		return err
	}
	before, err := tree(dir)
	if err != nil {
		return err
	}
	out, code, err := r.exit(ctx, dir, r.sdk, "upgrade")
	after, errTree := tree(dir)
	if err := errors.Join(err, errTree); err != nil {
		return err
	}
	if code != 2 || !strings.Contains(out, "nothing was changed") || !maps.Equal(before, after) {
		return fmt.Errorf("exit code %d, want 2, and the tree is the same: %v\n%s", code, maps.Equal(before, after), out)
	}
	return nil
}

// raised demands that a newer module service is required.
func raised(before, after string) error {
	required := func(text string) (string, error) {
		file, err := modfile.Parse("go.mod", []byte(text), nil)
		if err != nil {
			return "", err
		}
		for _, r := range file.Require {
			if strings.HasSuffix(r.Mod.Path, "/service") {
				return r.Mod.Version, nil
			}
		}
		return "", errors.New("go.mod requires no module service")
	}
	old, errOld := required(before)
	now, errNow := required(after)
	if err := errors.Join(errOld, errNow); err != nil {
		return err
	}
	if now != old+"z" {
		return fmt.Errorf("go.mod requires service %s, after %s", now, old)
	}
	return nil
}

// commit makes everything in dir a commit, in a repository of its own.
func (r *run) commit(ctx context.Context, dir, message string) error {
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "-A"},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgSign=false", "commit", "-q", "-m", message},
	} {
		if err := r.command(ctx, dir, "git", args...); err != nil {
			return err
		}
	}
	return nil
}

// exit runs a command that may fail, and returns what it said and its exit code.
func (r *run) exit(ctx context.Context, dir, name string, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, r.env
	out, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		err = nil
	}
	return string(out), cmd.ProcessState.ExitCode(), err
}

// tree reads the files of a service, but for git's.
func tree(dir string) (map[string]string, error) {
	files := map[string]string{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if name == ".git" {
				return fs.SkipDir
			}
			return err
		}
		data, err := fs.ReadFile(root, name)
		files[name] = string(data)
		return err
	})
	return files, err
}

func replaced(old, new string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, new, 1) }
}

// edit changes files. A change that finds nothing to change is an error: the template no longer has what it looks for.
func edit(dir string, changes map[string]func(string) string) error {
	for name, change := range changes {
		file := filepath.Join(dir, filepath.FromSlash(name))
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed := []byte(change(string(data)))
		if bytes.Equal(data, changed) {
			return fmt.Errorf("%s has nothing to change", name)
		}
		if err := os.WriteFile(file, changed, 0o666); err != nil {
			return err
		}
	}
	return nil
}
