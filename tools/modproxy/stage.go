// Package modproxy serves the modules of a work tree to the go command as though they were released.
//
// The modules of this repository require each other at released versions and never carry a replace. In the
// workspace go.work puts the folders in their place; outside of it, where the services live, the go command asks a
// module proxy. A proxy is a tree of files, so one can be built from the work tree in no time, and "go mod tidy",
// "go build" and "go test" with GOWORK=off then see what a service would see, before anything is tagged.
//
// # What is served
//
// Each module goes out as a pre-release such as v0.1.1-0.head.h3f2a…, made from the hash of its content, and the
// go.mod files inside the proxy require each other at these versions. Work-tree content never gets the version of a
// release: a module cache that had once seen it would hold it for ever. For the same reason the go command runs with
// a module cache of its own, which is thrown away; the user's cache is only read, as a second proxy, so that nothing
// is downloaded twice.
//
// # go.sum
//
// The hash of a sibling's work-tree content changes with every edit, so it is never written to a go.sum of the
// repository; only a release writes sibling lines. The staged copy of a go.sum gets them added, because they are
// known here, and the go command runs with -mod=readonly: a missing line for an outside module is still an error.
package modproxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/internal/command"
)

// A Stage is a temporary copy of the modules, the proxy built from it, and the module cache that goes with them.
// It is not safe for concurrent use. The caller closes it.
type Stage struct {
	ws       *Workspace
	dir      string
	env      []string
	versions map[string]string // sibling's path: version in the proxy
	sums     []string          // go.sum lines of the siblings in the proxy
}

// NewStage makes an empty stage in a new temporary folder. The go command must be on the PATH.
func NewStage(ctx context.Context, ws *Workspace) (*Stage, error) {
	if ws.Circle != nil {
		return nil, ws.Circle
	}
	dir, err := os.MkdirTemp("", "modproxy-")
	if err != nil {
		return nil, err
	}
	s := &Stage{ws: ws, dir: dir, versions: map[string]string{}}
	if s.env, err = Environment(ctx, dir, filepath.Join(dir, "proxy")); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close removes the stage and everything in it.
func (s *Stage) Close() error { return os.RemoveAll(s.dir) }

// Env is the environment of a go command that sees the stage's proxy, without the workspace.
func (s *Stage) Env() []string { return slices.Clone(s.env) }

// Proxy is the folder that the stage serves modules from.
func (s *Stage) Proxy() string { return filepath.Join(s.dir, "proxy") }

// Sums are the lines for a go.sum of what the proxy serves.
func (s *Stage) Sums() []string { return slices.Clone(s.sums) }

// Dir returns the folder of the staged copy of m.
func (s *Stage) Dir(m *Module) string { return filepath.Join(s.dir, "src", filepath.FromSlash(m.Name)) }

// Version returns the version that the proxy has of m, or "" before m was published.
func (s *Stage) Version(m *Module) string { return s.versions[m.Path] }

// Copy puts m into the stage, its siblings' versions replaced by those in the proxy, and its go.sum completed with
// their hashes. Everything that m uses must have been published.
func (s *Stage) Copy(m *Module) error {
	if err := s.copyFiles(m); err != nil {
		return fmt.Errorf("copy %s: %w", m.Name, err)
	}
	return s.rewrite(m, false)
}

// copyFiles copies what would be in the module's zip, and the root's LICENSE where the module has none, as the go
// command does when it makes a zip from a repository.
func (s *Stage) copyFiles(m *Module) error {
	names, err := zipFiles(m.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := copyFile(filepath.Join(s.Dir(m), name), filepath.Join(m.Dir, name)); err != nil {
			return err
		}
	}
	if slices.Contains(names, "LICENSE") {
		return nil
	}
	return copyFile(filepath.Join(s.Dir(m), "LICENSE"), filepath.Join(s.ws.Root, "LICENSE"))
}

// zipFiles returns the files of dir that belong into a module's zip, relative to dir, sorted.
func zipFiles(dir string) ([]string, error) {
	files, err := modzip.CheckDir(dir)
	if err != nil {
		return nil, err
	}
	if err := files.Err(); err != nil {
		return nil, err
	}
	for i, name := range files.Valid {
		if files.Valid[i], err = filepath.Rel(dir, name); err != nil {
			return nil, err
		}
	}
	slices.Sort(files.Valid)
	return files.Valid, nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // moved away since it was listed
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o666)
}

// rewrite lets the staged go.mod require the siblings' versions in the proxy. With missing it adds a require for each
// sibling that is imported without one.
func (s *Stage) rewrite(m *Module, missing bool) error {
	goMod := filepath.Join(s.Dir(m), "go.mod")
	data, err := os.ReadFile(goMod)
	if err != nil {
		return err
	}
	file, err := modfile.Parse(goMod, data, nil)
	if err != nil {
		return err
	}
	var required []string
	for _, r := range slices.Clone(file.Require) {
		if !s.ws.Sibling(r.Mod.Path) {
			continue
		}
		version := s.versions[r.Mod.Path]
		if version == "" {
			return fmt.Errorf("%s requires %s, which is not in the proxy", m.Name, r.Mod.Path)
		}
		if err := file.AddRequire(r.Mod.Path, version); err != nil {
			return err
		}
		required = append(required, r.Mod.Path)
	}
	for _, path := range m.imports {
		if missing && !slices.Contains(required, path) {
			if err := file.AddRequire(path, s.versions[path]); err != nil {
				return err
			}
		}
	}
	if data, err = file.Format(); err != nil {
		return err
	}
	if err := os.WriteFile(goMod, data, 0o666); err != nil {
		return err
	}
	return s.completeSums(m)
}

func (s *Stage) completeSums(m *Module) error {
	goSum := filepath.Join(s.Dir(m), "go.sum")
	data, err := os.ReadFile(goSum)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines := append(sumLines(data), s.sums...)
	slices.Sort(lines)
	return os.WriteFile(goSum, joinLines(slices.Compact(lines)), 0o666)
}

func sumLines(data []byte) []string {
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(line string) bool { return strings.TrimSpace(line) == "" })
}

func joinLines(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// Publish zips the staged copy of m into the proxy.
func (s *Stage) Publish(m *Module) error {
	if err := s.publish(m); err != nil {
		return fmt.Errorf("publish %s: %w", m.Name, err)
	}
	return nil
}

func (s *Stage) publish(m *Module) error {
	hash, err := contentHash(s.Dir(m))
	if err != nil {
		return err
	}
	version, err := headVersion(s.ws.newest(m.Path), hash)
	if err != nil {
		return err
	}
	goMod, err := os.ReadFile(filepath.Join(s.Dir(m), "go.mod"))
	if err != nil {
		return err
	}
	mod := module.Version{Path: m.Path, Version: version}
	sums, err := WriteModule(s.Proxy(), mod, goMod, func(w io.Writer) error { return modzip.CreateFromDir(w, mod, s.Dir(m)) })
	if err != nil {
		return err
	}
	s.versions[m.Path] = version
	s.sums = append(s.sums, sums...)
	return nil
}

// contentHash hashes the names and contents of a staged module. Its go.mod names the siblings' versions, so the hash
// changes when any of them changes.
func contentHash(dir string) (string, error) {
	names, err := zipFiles(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q %x\n", filepath.ToSlash(name), sha256.Sum256(data))
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// Run runs the go command in the staged copy of m and returns what it printed.
func (s *Stage) Run(ctx context.Context, m *Module, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Dir(m)
	cmd.Env = s.env
	command.Apart(cmd, syscall.SIGKILL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: go %s: %w", m.Name, strings.Join(args, " "), err)
	}
	return string(out), nil
}

// maxVersion returns the newer of two versions; "" is older than any.
func maxVersion(a, b string) string {
	if semver.Compare(a, b) < 0 {
		return b
	}
	return a
}
