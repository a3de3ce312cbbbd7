package repocheck

import (
	"go/ast"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Code returns what the house rules forbid in Go files: init functions in an SDK module, os.Exit and log.Fatal
// outside a command or the function Main that is all of one, and time.Sleep in the tests of a package that never opens a synctest bubble.
func Code(r *Repo) ([]Fault, error) {
	var faults []Fault
	r.files(func(m *Module, p *Package, f *File) {
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && m.SDK() && fn.Recv == nil && fn.Name.Name == "init" {
				faults = append(faults, r.at(f, fn.Pos(), "no init: importing a package does nothing"))
			}
		}
		names := imported(f)
		ast.Inspect(f.File, func(n ast.Node) bool {
			if fn, ok := n.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "Main" {
				return false
			}
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := call.X.(*ast.Ident)
			if !ok {
				return true
			}
			switch name := names[pkg.Name] + "." + call.Sel.Name; {
			case name == "os.Exit" || strings.HasPrefix(name, "log.Fatal") || strings.HasPrefix(name, "log.Panic"):
				if !f.Test && f.File.Name.Name != "main" {
					faults = append(faults, r.at(f, call.Pos(), "%s outside of a command: return an error", name))
				}
			case name == "time.Sleep" && f.Test && !p.bubbles():
				faults = append(faults, r.at(f, call.Pos(), "time.Sleep in a test without testing/synctest: wait for the event itself"))
			}
			return true
		})
	})
	return faults, nil
}

// bubbles reports whether any test of the package imports testing/synctest. The bubble is often opened by a helper in
// another file.
func (p *Package) bubbles() bool {
	return slices.ContainsFunc(p.Files, func(f *File) bool { return f.Test && imported(f)["synctest"] != "" })
}

// imported maps the names that a file's imports have in it to their paths.
func imported(f *File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := path[strings.LastIndexByte(path, '/')+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

// leftovers are texts that must not be committed. They are put together from pieces, so that this file is not one of
// those that it finds.
var leftovers = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`(^|[^\w./-])/` + `(work|root|home|Users)/\w`), "a path of somebody's machine"},
	{regexp.MustCompile(`\b[A-Z]:\\` + `Users\\`), "a path of somebody's machine"},
	{regexp.MustCompile(`(^|[^.\w])(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "finish it, or say in docs/ROUGH_EDGES.md what is missing"},
	{regexp.MustCompile(`^(<<<` + `<<<<|>>>` + `>>>>)( |$)`), "a merge conflict"},
}

// Leftovers returns paths of somebody's machine, unfinished work and merge conflicts, in any text file.
func Leftovers(r *Repo) ([]Fault, error) {
	var faults []Fault
	err := r.textFiles(func(name string, data []byte) error {
		if strings.HasSuffix(name, "go.sum") || strings.HasSuffix(name, "go.work.sum") {
			return nil // hashes may spell anything
		}
		number := 0
		for line := range strings.Lines(string(data)) {
			number++
			for _, l := range leftovers {
				if found := l.pattern.FindString(strings.TrimRight(line, "\n")); found != "" {
					faults = append(faults, Fault{name, number, strconv.Quote(strings.TrimSpace(found)) + ": " + l.text})
				}
			}
		}
		return nil
	})
	return faults, err
}
