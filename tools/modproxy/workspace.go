package modproxy

import (
	"cmp"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// firstVersion is what a go.mod requires of a sibling that nothing required before.
const firstVersion = "v0.1.0"

// A Module is one module of the work tree.
type Module struct {
	// Path is the module path, such as github.com/backend-platform/sdk/errors.
	Path string
	// Name is the folder relative to the repository's root, with slashes: "errors".
	Name string
	// Dir is the absolute folder.
	Dir string
	// File is the parsed go.mod.
	File *modfile.File
	// Uses are the paths of the siblings that the go.mod requires or a package imports, tests included. Sorted.
	Uses []string

	// Extra is set for a module outside the root's go.work: it is tidied with the others, and nothing else.
	Extra bool

	imports []string // siblings that a package imports
	empty   bool     // there is no Go file yet
}

// A Workspace is the set of modules that are built against each other.
type Workspace struct {
	// Root is the repository's root, an absolute path.
	Root string
	// Modules are in topological order: a module comes after everything that it uses.
	Modules []*Module
	// Circle is the error of modules that use each other, in which case the order is by name and nothing can be
	// staged. It does not keep Load from working, so that the import that is to blame can be found.
	Circle error
	// Releases has the newest version of each module that was tagged, by path. It may be nil: then what the go.mod files
	// mention is all that is known.
	Releases map[string]string

	byPath map[string]*Module
}

// consumers are the modules outside the root's go.work that use siblings all the same: the benchmarks have a go.work
// of their own, because their peers' dependencies must not decide which versions the SDK is tested with.
var consumers = []string{"benchmarks"}

// FindRoot returns the nearest folder at or above dir that has both a go.work and a LICENSE: the repository's root.
func FindRoot(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "go.work")) && exists(filepath.Join(dir, "LICENSE")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no folder with a go.work and a LICENSE at or above %s", start)
		}
	}
}

// Load reads the modules that root's go.work uses, and the benchmarks where there are such.
func Load(root string) (*Workspace, error) {
	work, err := readWork(filepath.Join(root, "go.work"))
	if err != nil {
		return nil, err
	}
	ws := &Workspace{Root: root, byPath: map[string]*Module{}}
	for _, use := range work.Use {
		if err := ws.add(filepath.ToSlash(filepath.Clean(use.Path)), false); err != nil {
			return nil, err
		}
	}
	for _, name := range consumers {
		if exists(filepath.Join(root, name, "go.mod")) && ws.Module(name) == nil {
			if err := ws.add(name, true); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range ws.Modules {
		if err := ws.findUses(m); err != nil {
			return nil, err
		}
	}
	ws.Circle = ws.sort()
	return ws, nil
}

func (ws *Workspace) add(name string, extra bool) error {
	m, err := ReadModule(ws.Root, name)
	if err != nil {
		return err
	}
	m.Extra = extra
	ws.byPath[m.Path] = m
	ws.Modules = append(ws.Modules, m)
	return nil
}

// Module returns the module with this name (folder) or path, or nil.
func (ws *Workspace) Module(name string) *Module {
	for _, m := range ws.Modules {
		if m.Name == filepath.ToSlash(filepath.Clean(name)) || m.Path == name {
			return m
		}
	}
	return nil
}

// Sibling reports whether path is a module of this workspace.
func (ws *Workspace) Sibling(path string) bool { return ws.byPath[path] != nil }

// Mentioned returns the versions of each sibling that the go.mod files of the workspace require, oldest first.
func (ws *Workspace) Mentioned() map[string][]string {
	mentioned := map[string][]string{}
	for _, m := range ws.Modules {
		for _, r := range m.File.Require {
			if ws.Sibling(r.Mod.Path) && !slices.Contains(mentioned[r.Mod.Path], r.Mod.Version) {
				mentioned[r.Mod.Path] = append(mentioned[r.Mod.Path], r.Mod.Version)
			}
		}
	}
	for _, versions := range mentioned {
		semver.Sort(versions)
	}
	return mentioned
}

// newest returns the newest version of a sibling that was released or that any go.mod mentions, or [firstVersion].
func (ws *Workspace) newest(path string) string {
	newest := ws.Releases[path]
	for _, version := range ws.Mentioned()[path] {
		newest = maxVersion(newest, version)
	}
	return cmp.Or(newest, firstVersion)
}

func readWork(name string) (*modfile.WorkFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.ParseWork(name, data, nil)
}

// ReadModule reads the go.mod in the folder name of root. It does not look at packages, so Uses stays empty.
func ReadModule(root, name string) (*Module, error) {
	m := &Module{Name: name, Dir: filepath.Join(root, filepath.FromSlash(name))}
	goMod := filepath.Join(m.Dir, "go.mod")
	data, err := os.ReadFile(goMod)
	if err != nil {
		return nil, err
	}
	if m.File, err = modfile.Parse(goMod, data, nil); err != nil {
		return nil, err
	}
	if m.File.Module == nil {
		return nil, fmt.Errorf("%s: no module line", goMod)
	}
	m.Path = m.File.Module.Mod.Path
	return m, nil
}

// findUses reads the import clauses of m. Nothing has to compile: tidy is wanted most while nothing does yet.
func (ws *Workspace) findUses(m *Module) error {
	var imports []string
	m.empty = true
	err := m.GoFiles(func(name string) error {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // moved away since the walk listed it
		}
		if err != nil {
			return fmt.Errorf("read imports: %w", err)
		}
		m.empty = false
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if owner := ws.Owner(path); owner != nil && owner != m {
				imports = append(imports, owner.Path)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(imports)
	m.imports = slices.Compact(imports)
	m.Uses = slices.Clone(m.imports)
	for _, r := range m.File.Require {
		if ws.Sibling(r.Mod.Path) && !slices.Contains(m.Uses, r.Mod.Path) {
			m.Uses = append(m.Uses, r.Mod.Path)
		}
	}
	slices.Sort(m.Uses)
	return nil
}

// Owner returns the module of the workspace that a package would be in, or nil.
func (ws *Workspace) Owner(pkg string) *Module {
	for path := pkg; path != "." && path != "/"; path = parent(path) {
		if m := ws.byPath[path]; m != nil {
			return m
		}
	}
	return nil
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return "."
}

// sort puts the modules into topological order, those that do not depend on each other by name.
func (ws *Workspace) sort() error {
	slices.SortFunc(ws.Modules, func(a, b *Module) int { return strings.Compare(a.Name, b.Name) })
	const visiting, done = 1, 2
	state := map[*Module]int{}
	var sorted []*Module
	var visit func(m *Module, trail []string) error
	visit = func(m *Module, trail []string) error {
		trail = append(trail, m.Name)
		switch state[m] {
		case done:
			return nil
		case visiting:
			circle := trail[slices.Index(trail, m.Name):]
			return fmt.Errorf("modules use each other in a circle: %s", strings.Join(circle, " -> "))
		}
		state[m] = visiting
		for _, path := range m.Uses {
			if err := visit(ws.byPath[path], trail); err != nil {
				return err
			}
		}
		state[m] = done
		sorted = append(sorted, m)
		return nil
	}
	for _, m := range ws.Modules {
		if err := visit(m, nil); err != nil {
			return err
		}
	}
	ws.Modules = sorted
	return nil
}

// GoFiles calls fn with the absolute name of each Go file that the go command looks at for packages, in lexical order:
// not for nested modules, nor for testdata, vendor, and folders that start with "." or "_".
func (m *Module) GoFiles(fn func(name string) error) error {
	return filepath.WalkDir(m.Dir, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			if entry.Type().IsRegular() && filepath.Ext(name) == ".go" {
				return fn(name)
			}
			return nil
		}
		base := entry.Name()
		if name != m.Dir && (base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' || exists(filepath.Join(name, "go.mod"))) {
			return filepath.SkipDir
		}
		return nil
	})
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// headVersion is the version under which work-tree content is served: a pre-release just above the newest version
// that anything requires, so that it wins minimal version selection, and one that no release ever has.
func headVersion(newest, hash string) (string, error) {
	parts := strings.Split(strings.TrimPrefix(strings.TrimSuffix(newest, semver.Prerelease(newest)+semver.Build(newest)), "v"), ".")
	patch, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil || len(parts) != 3 {
		return "", fmt.Errorf("not a version: %q", newest)
	}
	// The letter before the hash keeps semver from reading an all-digit hash as a number with a leading zero.
	version := fmt.Sprintf("v%s.%s.%d-0.head.h%s", parts[0], parts[1], patch+1, hash)
	return version, module.CheckPathMajor(version, "")
}
