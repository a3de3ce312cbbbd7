// Package outside stands in for the world outside of a repository under test: a module proxy with a few invented
// modules, an empty module cache, and no network.
package outside

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// Serve points the go command, for the rest of the test, at a proxy with these modules, each with one package that has
// the text given: {"example.com/dep@v1.0.0": "package dep\n"}. It returns the folder of the module cache.
func Serve(t *testing.T, modules map[string]string) string {
	t.Helper()
	proxy, cache := t.TempDir(), t.TempDir()
	for name, text := range modules {
		path, version, _ := strings.Cut(name, "@")
		publish(t, proxy, module.Version{Path: path, Version: version}, text)
	}
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(proxy))
	t.Setenv("GOMODCACHE", cache)
	t.Setenv("GOFLAGS", "-modcacherw -buildvcs=false")
	t.Setenv("GOSUMDB", "off")
	t.Setenv("GOPRIVATE", "")
	return cache
}

func publish(t *testing.T, proxy string, m module.Version, text string) {
	t.Helper()
	src := t.TempDir()
	Write(t, src, map[string]string{"go.mod": "module " + m.Path + "\n\ngo 1.26.0\n", "dep.go": text, "LICENSE": "Permission is hereby granted, free of charge\n"})
	dir := filepath.Join(proxy, m.Path, "@v")
	Write(t, dir, map[string]string{
		m.Version + ".info": `{"Version":"` + m.Version + `"}`, m.Version + ".mod": "module " + m.Path + "\n\ngo 1.26.0\n",
	})
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if _, err := list.WriteString(m.Version + "\n"); err != nil {
		t.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(dir, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := modzip.CreateFromDir(archive, m, src); err != nil {
		t.Fatal(err)
	}
}

// Write writes files below dir; a text of "-" removes the file instead.
func Write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if text == "-" {
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
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
