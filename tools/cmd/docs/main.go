// Command docs writes the documentation of every package of the workspace as HTML pages that need no server and no
// network: what "go doc" shows, with its examples and with links between the packages.
//
//	docs [-out folder]
package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/printer"
	"go/token"
	"html/template"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

//go:embed page.html
var pageHTML string

func main() {
	out := flag.String("out", "", "the `folder` to write to; empty: bin/docs of the repository")
	flag.Parse()
	index, err := run(*out)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(index)
}

// run writes the pages and returns the name of the first.
func run(out string) (string, error) {
	root, err := modproxy.FindRoot(".")
	if err != nil {
		return "", err
	}
	ws, err := modproxy.Load(root)
	if err != nil {
		return "", err
	}
	out = cmp.Or(out, filepath.Join(root, "bin", "docs"))
	var pages []*page
	for _, m := range ws.Modules {
		found, err := packages(root, m)
		if err != nil {
			return "", err
		}
		pages = append(pages, found...)
	}
	slices.SortFunc(pages, func(a, b *page) int { return strings.Compare(a.Dir, b.Dir) })
	dirs := map[string]string{}
	for _, p := range pages {
		dirs[p.Doc.ImportPath] = p.Dir
	}
	for _, p := range pages {
		p.dirs = dirs
	}
	return filepath.Join(out, "index.html"), write(out, pages)
}

// A page is the documentation of one package.
type page struct {
	// Dir is relative to the repository's root, with slashes.
	Dir string
	// Doc is what go/doc made of the sources.
	Doc *doc.Package

	fset *token.FileSet
	dirs map[string]string // the folders of all pages, by import path
}

// packages parses the packages of a module that somebody else can import or run.
func packages(root string, m *modproxy.Module) ([]*page, error) {
	fset := token.NewFileSet()
	files := map[string][]*ast.File{}
	err := m.GoFiles(func(name string) error {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		files[filepath.ToSlash(dir)] = append(files[filepath.ToSlash(dir)], file)
		return err
	})
	if err != nil {
		return nil, err
	}
	var pages []*page
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		importPath := m.Path + strings.TrimPrefix(dir, m.Name)
		p, err := doc.NewFromFiles(fset, files[dir], importPath)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		if p.Name != "" { // a folder with only tests has no package
			pages = append(pages, &page{Dir: dir, Doc: p, fset: fset})
		}
	}
	return pages, nil
}

func write(out string, pages []*page) error {
	page, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return err
	}
	if err := execute(page, "index", filepath.Join(out, "index.html"), pages); err != nil {
		return err
	}
	for _, p := range pages {
		if err := execute(page, "package", filepath.Join(out, filepath.FromSlash(p.Dir), "index.html"), p); err != nil {
			return err
		}
	}
	return nil
}

func execute(t *template.Template, name, file string, data any) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o666)
}

// Up is the way from the page to the first one.
func (p *page) Up() string { return strings.Repeat("../", strings.Count(p.Dir, "/")+1) }

// With hands a list to a template together with the page that it belongs to.
func (p *page) With(list any) map[string]any { return map[string]any{"Page": p, "List": list} }

// Receiver is the name of a receiver's type, without the pointer and the type parameters.
func (p *page) Receiver(recv string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(recv, "*"), "[")
	return name
}

// Synopsis is the first sentence of the package comment.
func (p *page) Synopsis() string { return p.Doc.Synopsis(p.Doc.Doc) }

// Text renders a doc comment.
func (p *page) Text(text string) template.HTML {
	out := p.Doc.Printer()
	out.HeadingLevel = 3
	out.DocLinkURL = p.link
	// The printer escapes what it is given: its output is HTML by construction.
	return template.HTML(out.HTML(p.Doc.Parser().Parse(text)))
}

// link leads to the page of a package of this repository, and to pkg.go.dev for any other.
func (p *page) link(l *comment.DocLink) string {
	name := l.Name
	if l.Recv != "" {
		name = l.Recv + "." + name
	}
	if l.ImportPath == "" || l.ImportPath == p.Doc.ImportPath {
		return "#" + name
	}
	if dir := p.dirs[l.ImportPath]; dir != "" {
		return p.Up() + dir + "/index.html#" + name
	}
	return l.DefaultURL("https://pkg.go.dev")
}

// Code renders a declaration.
func (p *page) Code(node any) (string, error) {
	if fn, ok := node.(*ast.FuncDecl); ok {
		copied := *fn
		copied.Body, copied.Doc = nil, nil
		node = &copied
	}
	if gen, ok := node.(*ast.GenDecl); ok {
		copied := *gen
		copied.Doc = nil
		node = &copied
	}
	var b bytes.Buffer
	err := format.Node(&b, p.fset, node)
	return b.String(), err
}

// Example renders the code of an example as it stands in the file, with its comments.
func (p *page) Example(e *doc.Example) (string, error) {
	var b bytes.Buffer
	err := format.Node(&b, p.fset, &printer.CommentedNode{Node: e.Code, Comments: e.Comments})
	code := b.String()
	if _, block := e.Code.(*ast.BlockStmt); block {
		code = strings.ReplaceAll(strings.Trim(code, "{}\n"), "\n\t", "\n")
	}
	code, _, _ = strings.Cut(code, "// Output:")
	return strings.TrimSpace(code), err
}
