// Package proxytest is a module proxy of files for tests, with toy templates in it, and a git of its own.
package proxytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// A Proxy is a folder that the go command takes for a module proxy.
type Proxy struct{ dir string }

// Serve points the go command at a new proxy and an empty module cache, for the rest of the test, and git at no
// settings of the user.
func Serve(t *testing.T) *Proxy {
	t.Helper()
	p := &Proxy{t.TempDir()}
	for name, value := range map[string]string{
		"GOPROXY": "file://" + filepath.ToSlash(p.dir), "GOMODCACHE": t.TempDir(), "GOFLAGS": "-modcacherw", "GOSUMDB": "off",
		"GOPRIVATE": "", "GONOPROXY": "", "GONOSUMDB": "", "GOWORK": "", "GOTOOLCHAIN": "local",
		"GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CONFIG_SYSTEM": os.DevNull, "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com",
		"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com", "NO_COLOR": "",
	} {
		t.Setenv(name, value)
	}
	return p
}

// Publish adds a module to the proxy; "example.com/dep@v1.0.0" and its files. A LICENSE is added.
func (p *Proxy) Publish(t *testing.T, name string, files map[string]string) {
	t.Helper()
	path, version, _ := strings.Cut(name, "@")
	src := t.TempDir()
	Write(t, src, map[string]string{"LICENSE": "of the template\n"})
	Write(t, src, files)
	dir := filepath.Join(p.dir, filepath.FromSlash(path), "@v")
	Write(t, dir, map[string]string{version + ".info": fmt.Sprintf(`{"Version":%q}`, version), version + ".mod": files["go.mod"]})
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if _, err := list.WriteString(version + "\n"); err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := modzip.CreateFromDir(archive, module.Version{Path: path, Version: version}, src); err != nil {
		t.Fatal(err)
	}
}

// Write writes files below dir; a text of "-" removes the file instead.
func Write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if text == "-" {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// Read returns all files below dir but those of git, by name.
func Read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(name)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Run runs a command in dir and returns its output; the test ends when it fails.
func Run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Commit makes dir a repository if it is none, and commits everything in it.
func Commit(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, ".git")); err != nil {
		Run(t, dir, "git", "init", "-q")
	}
	Run(t, dir, "git", "add", "-A")
	Run(t, dir, "git", "commit", "-q", "--allow-empty", "-m", "x")
}
