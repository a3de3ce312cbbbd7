package errors_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExportsAreASupersetOfTheStandardLibrarys(t *testing.T) {
	std := filepath.Join(goroot(t), "src", "errors")
	want, got := exports(t, std), exports(t, ".")
	if len(want) < 7 {
		t.Fatalf("found only %v in %s", slices.Sorted(maps.Keys(want)), std)
	}
	for name, signature := range want {
		if got[name] != signature {
			t.Errorf("%s: %q here, %q in the standard library", name, got[name], signature)
		}
	}
}

// goroot asks the go command: a test binary built with -trimpath does not know it.
func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// exports returns the exported functions with the types of their parameters, and the exported variables.
func exports(t *testing.T, dir string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() {
					found[d.Name.Name] = "func" + signature(d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && v.Names[0].IsExported() {
						found[v.Names[0].Name] = "var"
					}
				}
			}
		}
	}
	return found
}

func signature(f *ast.FuncType) string {
	var b strings.Builder
	for _, list := range []*ast.FieldList{f.TypeParams, f.Params, f.Results} {
		b.WriteByte('(')
		if list != nil {
			for _, field := range list.List {
				for range max(len(field.Names), 1) {
					b.WriteString(typeName(field.Type) + ",")
				}
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.Ellipsis:
		return "..." + typeName(t.Elt)
	case *ast.ArrayType:
		return "[]" + typeName(t.Elt)
	case *ast.StarExpr:
		return "*" + typeName(t.X)
	}
	return "?"
}
