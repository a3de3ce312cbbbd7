// Package repocheck holds the rules of this repository that a compiler does not know, as functions that return the
// places where a rule is broken. "make lint" runs all of them over the work tree (TestRepository); the other tests run
// each of them over small faulty trees, so that none of them can pass by being blind.
//
// A rule belongs here when it can be decided exactly. What is a matter of judgement is left to reviewers, and what
// golangci-lint already decides is left to it.
package repocheck

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// A Fault is one place where a rule is broken.
type Fault struct {
	// File is relative to the repository's root, with slashes.
	File string
	// Line counts from 1; 0 means the whole file.
	Line int
	// Text says what is wrong, and what to do about it where that is not plain.
	Text string
}

// String is the form that editors and terminals link: errors/code.go:12: …
func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// A Repo is a repository with its Go files parsed. It is read once and not safe for concurrent use.
type Repo struct {
	// Root is the absolute folder.
	Root string
	// Workspace has the modules of go.work, and the benchmarks.
	Workspace *modproxy.Workspace
	// Modules are those of the workspace and the tools.
	Modules []*Module
	// Only restricts what runs the go command (Budget, Versions) or writes to one module; empty means all.
	Only string

	fset *token.FileSet
}

// A Module is one module with its parsed files.
type Module struct {
	*modproxy.Module
	// Packages are ordered by folder; a folder's package and its x_test are one.
	Packages []*Package
}

// A Package is the files of one folder.
type Package struct {
	// Dir is relative to the repository's root, with slashes.
	Dir string
	// Files are ordered by name, test files among them.
	Files []*File
}

// A File is one parsed Go file.
type File struct {
	*ast.File
	// Name is relative to the repository's root, with slashes.
	Name string
	// Test is true for _test.go files.
	Test bool
}

// Open reads the repository whose root is given.
func Open(root string) (*Repo, error) {
	ws, err := modproxy.Load(root)
	if err != nil {
		return nil, err
	}
	r := &Repo{Root: root, Workspace: ws, fset: token.NewFileSet()}
	modules := slices.Clone(ws.Modules)
	if _, err := os.Stat(filepath.Join(root, "tools", "go.mod")); err == nil {
		tools, err := modproxy.ReadModule(root, "tools")
		if err != nil {
			return nil, err
		}
		modules = append(modules, tools)
	}
	for _, m := range modules {
		packages, err := r.parse(m)
		if err != nil {
			return nil, err
		}
		r.Modules = append(r.Modules, &Module{Module: m, Packages: packages})
	}
	return r, nil
}

func (r *Repo) parse(m *modproxy.Module) ([]*Package, error) {
	byDir := map[string]*Package{}
	err := m.GoFiles(func(name string) error {
		file, err := parser.ParseFile(r.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := r.rel(name)
		if err != nil {
			return err
		}
		dir := rel[:strings.LastIndexByte(rel, '/')]
		if byDir[dir] == nil {
			byDir[dir] = &Package{Dir: dir}
		}
		byDir[dir].Files = append(byDir[dir].Files, &File{File: file, Name: rel, Test: strings.HasSuffix(rel, "_test.go")})
		return nil
	})
	return slices.SortedFunc(maps.Values(byDir), func(a, b *Package) int { return cmp.Compare(a.Dir, b.Dir) }), err
}

// rel turns an absolute name into one relative to the root, with slashes.
func (r *Repo) rel(name string) (string, error) {
	rel, err := filepath.Rel(r.Root, name)
	return filepath.ToSlash(rel), err
}

// at returns a Fault at a position of a parsed file.
func (r *Repo) at(file *File, pos token.Pos, format string, args ...any) Fault {
	return Fault{file.Name, r.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// files calls fn for each Go file of each module.
func (r *Repo) files(fn func(m *Module, p *Package, f *File)) {
	for _, m := range r.Modules {
		for _, p := range m.Packages {
			for _, f := range p.Files {
				fn(m, p, f)
			}
		}
	}
}

// SDK reports whether services import m: true for all but the examples, the benchmarks and the tools.
func (m *Module) SDK() bool {
	return !m.Extra && m.Name != "examples" && m.Name != "tools"
}

// textFiles calls fn with each file of the repository that is not hidden and not built, by its relative name.
func (r *Repo) textFiles(fn func(name string, data []byte) error) error {
	built := []string{"bin", "coverage"} // .gitignore has them
	return filepath.WalkDir(r.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := r.rel(path)
		if err != nil || name == "." {
			return err
		}
		if entry.IsDir() {
			if (entry.Name()[0] == '.' && name != ".ci") || slices.Contains(built, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !entry.Type().IsRegular() || name == ".git" { // a file in a worktree
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if slices.Contains(data[:min(len(data), 8000)], 0) { // git's test for a binary file
			return nil
		}
		return fn(name, data)
	})
}

// offset is a position's offset in its file.
func (r *Repo) offset(pos token.Pos) int { return r.fset.Position(pos).Offset }

// exists reports whether a file or folder of the repository is there.
func (r *Repo) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.Root, filepath.FromSlash(name)))
	return err == nil
}

// read returns a file's content, "" if it cannot be read.
func (r *Repo) read(name string) string {
	data, _ := os.ReadFile(filepath.Join(r.Root, filepath.FromSlash(name)))
	return string(data)
}
