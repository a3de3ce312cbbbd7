package modproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
)

// WriteModule puts one version of a module into the proxy in the folder proxy: its go.mod, and the zip that archive
// writes. It returns the two lines that a go.sum has of it.
func WriteModule(proxy string, mod module.Version, goMod []byte, archive func(io.Writer) error) ([]string, error) {
	escaped, err := module.EscapePath(mod.Path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var zip bytes.Buffer
	if err := archive(&zip); err != nil {
		return nil, err
	}
	// The time is part of no hash; a fixed one keeps the tree reproducible.
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{mod.Version, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return nil, err
	}
	for suffix, data := range map[string][]byte{".info": info, ".mod": goMod, ".zip": zip.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, mod.Version+suffix), data, 0o666); err != nil {
			return nil, err
		}
	}
	if err := addLine(filepath.Join(dir, "list"), mod.Version); err != nil {
		return nil, err
	}
	return goSums(mod, filepath.Join(dir, mod.Version+".zip"), goMod)
}

// addLine appends a line to a file that may not be there yet.
func addLine(name, line string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

func goSums(mod module.Version, zipFile string, goMod []byte) ([]string, error) {
	zipSum, err := dirhash.HashZip(zipFile, dirhash.Hash1)
	if err != nil {
		return nil, err
	}
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(goMod)), nil
	})
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("%s %s %s", mod.Path, mod.Version, zipSum),
		fmt.Sprintf("%s %s/go.mod %s", mod.Path, mod.Version, modSum),
	}, nil
}

// Environment is that of a go command outside the workspace which sees the proxies in these folders before anything
// else, then the user's module cache, which it only reads, and then what the user's GOPROXY names. It keeps what it
// downloads and what it is at work on below dir, so that nothing is left of one that was killed when dir is removed.
// A go command must be on the PATH.
func Environment(ctx context.Context, dir string, proxies ...string) ([]string, error) {
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o777); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "env", "-json", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOROOT")
	cmd.Dir = os.TempDir()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var user struct{ GOMODCACHE, GOPROXY, GOFLAGS, GONOSUMDB, GOROOT string }
	if err := json.Unmarshal(out, &user); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	var urls []string
	for _, dir := range append(proxies, filepath.Join(user.GOMODCACHE, "cache", "download")) {
		urls = append(urls, fileURL(dir))
	}
	return append(os.Environ(),
		"GOWORK=off",
		"GOMODCACHE="+filepath.Join(dir, "modcache"),
		"GOTMPDIR="+work,
		"GOPROXY="+strings.Join(append(urls, user.GOPROXY), ","),
		// A GOPRIVATE that covers the siblings would send the go command past the proxy, to the version control.
		"GONOPROXY=none",
		"GONOSUMDB="+strings.Trim(user.GONOSUMDB+",github.com/backend-platform/*", ","),
		// A test binary built with -trimpath does not know where the standard library's sources are.
		"GOROOT="+user.GOROOT,
		// Otherwise the throw-away cache could not be removed without chmod.
		"GOFLAGS="+strings.TrimSpace(user.GOFLAGS+" -modcacherw"),
	), nil
}

func fileURL(name string) string {
	name = filepath.ToSlash(name)
	if !strings.HasPrefix(name, "/") { // a drive letter
		name = "/" + name
	}
	return "file://" + name
}
