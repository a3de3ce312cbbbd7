package repocheck

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// PackageDocs returns each package without a package comment. Commands and internal packages need one too: it is where
// a reader learns why the package exists.
func PackageDocs(r *Repo) ([]Fault, error) {
	var faults []Fault
	for _, m := range r.Modules {
		for _, p := range m.Packages {
			files := slices.DeleteFunc(slices.Clone(p.Files), func(f *File) bool { return f.Test })
			if len(files) == 0 {
				continue // only tests: nobody imports it
			}
			if !slices.ContainsFunc(files, func(f *File) bool { return f.Doc.Text() != "" }) {
				faults = append(faults, r.at(files[0], files[0].Package, "package %s has no package comment", p.Dir))
			}
		}
	}
	return faults, nil
}

// ExportDocs returns each exported declaration without a doc comment, and each undocumented field of an exported
// struct of an SDK module whose name ends in Config: a field's comment is where its unit, its zero and its negative are said.
func ExportDocs(r *Repo) ([]Fault, error) {
	var faults []Fault
	r.files(func(m *Module, _ *Package, f *File) {
		if f.Test || f.File.Name.Name == "main" {
			return
		}
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if name := exportedFunc(decl); name != "" && decl.Doc.Text() == "" {
					faults = append(faults, r.at(f, decl.Pos(), "%s is exported and has no doc comment", name))
				}
			case *ast.GenDecl:
				faults = append(faults, r.undocumentedSpecs(m, f, decl)...)
			}
		}
	})
	return faults, nil
}

// exportedFunc names a function, or a method of an exported type, that is exported.
func exportedFunc(decl *ast.FuncDecl) string {
	if !decl.Name.IsExported() {
		return ""
	}
	if decl.Recv == nil {
		return decl.Name.Name
	}
	receiver := receiverName(decl)
	if !ast.IsExported(receiver) {
		return ""
	}
	return receiver + "." + decl.Name.Name
}

func receiverName(decl *ast.FuncDecl) string {
	expr := decl.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

func (r *Repo) undocumentedSpecs(m *Module, f *File, decl *ast.GenDecl) []Fault {
	var faults []Fault
	grouped := decl.Lparen.IsValid()
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			if spec.Doc.Text() == "" && (grouped || decl.Doc.Text() == "") {
				faults = append(faults, r.at(f, spec.Pos(), "%s is exported and has no doc comment", spec.Name.Name))
			}
			if fields, ok := spec.Type.(*ast.StructType); ok && m.SDK() && strings.HasSuffix(spec.Name.Name, "Config") {
				faults = append(faults, r.undocumentedFields(f, spec.Name.Name, fields)...)
			}
		case *ast.ValueSpec:
			// A comment on the group speaks for its members, as in os.O_RDONLY…; so does one at the end of the line.
			if decl.Doc.Text() != "" || spec.Doc.Text() != "" || spec.Comment.Text() != "" {
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					faults = append(faults, r.at(f, name.Pos(), "%s is exported and has no doc comment", name.Name))
				}
			}
		}
	}
	return faults
}

func (r *Repo) undocumentedFields(f *File, typ string, s *ast.StructType) []Fault {
	var faults []Fault
	for _, field := range s.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() && field.Doc.Text() == "" && field.Comment.Text() == "" {
				faults = append(faults, r.at(f, name.Pos(), "%s.%s has no comment: say its unit, its zero and its negative", typ, name.Name))
			}
		}
	}
	return faults
}

// ModuleFiles returns each SDK module that lacks one of the files every module of its kind has, and each Config without a
// table of its defaults in the README.
func ModuleFiles(r *Repo) ([]Fault, error) {
	var faults []Fault
	for _, m := range r.Modules {
		if !m.SDK() {
			continue
		}
		for _, name := range m.files() {
			if !r.exists(path.Join(m.Name, name)) {
				faults = append(faults, Fault{File: path.Join(m.Name, name), Text: "every module has this file"})
			}
		}
		if config := exportedConfig(m); config != "" && !r.hasDefaultsTable(m) {
			faults = append(faults, Fault{File: m.Name + "/README.md", Text: "no table | Field | Default | Meaning | under a heading " +
				`that starts with "## Defaults", but the module exports ` + config})
		}
	}
	return faults, nil
}

// files are those that a module has to have. A command is documented in its main.go and its README; a template has what
// makes a service deployable.
func (m *Module) files() []string {
	files := []string{"README.md", "CHANGELOG.md"}
	switch {
	case strings.HasPrefix(m.Name, "templates/"):
		return append(files, ".sdk.json", ".gitignore", ".golangci.yml", ".github/workflows/ci.yml", "Dockerfile", "compose.yaml", "deploy/"+path.Base(m.Name)+".yaml")
	case strings.HasPrefix(m.Name, "cmd/"):
		return files
	}
	return append(files, "doc.go", "example_test.go")
}

// exportedConfig names an exported struct of m whose name ends in Config, or "".
func exportedConfig(m *Module) string {
	for _, p := range m.Packages {
		for _, f := range p.Files {
			if f.Test || f.File.Name.Name == "main" || strings.Contains("/"+p.Dir[len(m.Name):]+"/", "/internal/") {
				continue
			}
			for _, decl := range f.Decls {
				gen, ok := decl.(*ast.GenDecl)
				if !ok || gen.Tok != token.TYPE {
					continue
				}
				for _, spec := range gen.Specs {
					spec := spec.(*ast.TypeSpec)
					if _, isStruct := spec.Type.(*ast.StructType); isStruct && spec.Name.IsExported() && strings.HasSuffix(spec.Name.Name, "Config") {
						return f.File.Name.Name + "." + spec.Name.Name
					}
				}
			}
		}
	}
	return ""
}

func (r *Repo) hasDefaultsTable(m *Module) bool {
	below := false
	for line := range strings.Lines(r.read(m.Name + "/README.md")) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "## ") {
			below = strings.HasPrefix(line, "## Defaults")
		}
		if below && strings.Join(strings.Fields(line), " ") == "| Field | Default | Meaning |" {
			return true
		}
	}
	return false
}
