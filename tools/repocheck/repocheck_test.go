package repocheck_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/tools/internal/outside"
	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/repocheck"
)

// sound is a repository of two modules in which no rule is broken.
var sound = map[string]string{
	"LICENSE":             "Apache License\nVersion 2.0\n",
	".git":                "gitdir: /" + "home/anna/sdk/.git/worktrees/kafka\n",
	"go.work":             "go 1.26.0\n\nuse (\n\t./errors\n\t./internal\n)\n\nreplace (\n\tgithub.com/backend-platform/sdk/errors v0.1.0 => ./errors\n)\n",
	"README.md":           "# SDK\n\nSee [errors](errors/README.md#install), <https://example.com> and [the web](https://example.com/x).\n",
	"errors/go.mod":       "module github.com/backend-platform/sdk/errors\n\ngo 1.26.0\n",
	"errors/doc.go":       "// Package errors is an example.\npackage errors\n\n// Code is a code.\ntype Code uint32\n",
	"errors/README.md":    "# errors\n\n<!-- from example_test.go:ExampleCode -->\n```go\ncode := errors.Code(1)\nfmt.Println(code)\n```\n",
	"errors/CHANGELOG.md": "# Changelog\n\n```go\nold()\n```\n",
	"errors/example_test.go": "package errors_test\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/backend-platform/sdk/errors\"\n)\n\n" +
		"func ExampleCode() {\n\tcode := errors.Code(1)\n\tfmt.Println(code)\n\n\t// Output: 1\n}\n",
	"internal/go.mod":          "module github.com/backend-platform/sdk/internal\n\ngo 1.26.0\n\nrequire github.com/backend-platform/sdk/errors v0.1.0\n",
	"internal/doc.go":          "// Package internal is an example.\npackage internal\n",
	"internal/README.md":       "# internal\n\n## Defaults of a retry\n\n| Field | Default | Meaning |\n| --- | --- | --- |\n| `Attempts` | 3 | tries |\n",
	"internal/CHANGELOG.md":    "# Changelog\n",
	"internal/example_test.go": "package internal_test\n",
	"internal/retry/retry.go": "// Package retry is an example.\npackage retry\n\nimport \"github.com/backend-platform/sdk/errors\"\n\n" +
		"// Config is a configuration.\ntype Config struct {\n\t// Attempts are tries.\n\tAttempts int\n\n\tcode errors.Code\n}\n\n" +
		"// What a policy answers.\nconst (\n\tYes = iota\n\tNo\n)\n\nfunc (c *Config) String() string { return \"\" }\n",
}

// open writes the sound tree with some files changed, added, or (where the content is "-") taken away, and opens it.
func open(t *testing.T, changes map[string]string) *repocheck.Repo {
	t.Helper()
	root := t.TempDir()
	files := maps.Clone(sound)
	files["internal/retry/retry.go"] = strings.Replace(files["internal/retry/retry.go"], "func (c", "// String is text.\nfunc (c", 1)
	maps.Copy(files, changes)
	outside.Write(t, root, files)
	repo, err := repocheck.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// with returns the sound text of a file with old replaced by new.
func with(t *testing.T, name, old, new string) map[string]string {
	t.Helper()
	if !strings.Contains(sound[name], old) {
		t.Fatalf("%s has no %q", name, old)
	}
	return map[string]string{name: strings.Replace(sound[name], old, new, 1)}
}

type check func(*repocheck.Repo) ([]repocheck.Fault, error)

func markdown(r *repocheck.Repo) ([]repocheck.Fault, error) { return repocheck.Markdown(r, false) }

var checks = map[string]check{
	"Layers": repocheck.Layers, "PackageDocs": repocheck.PackageDocs, "ExportDocs": repocheck.ExportDocs,
	"ModuleFiles": repocheck.ModuleFiles, "Code": repocheck.Code, "Leftovers": repocheck.Leftovers,
	"GoMods": repocheck.GoMods, "Markdown": markdown,
}

func TestChecksFindNothingInASoundRepository(t *testing.T) {
	repo := open(t, nil)
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			faults, err := check(repo)
			if err != nil || len(faults) > 0 {
				t.Errorf("%v, %v", faults, err)
			}
		})
	}
}

func TestChecksFindWhatIsBroken(t *testing.T) {
	file := func(name, text string) map[string]string { return map[string]string{name: text} }
	for _, test := range []struct {
		name    string
		check   string
		changes map[string]string
		want    []string // what each fault says, in part
	}{
		{"upward import", "Layers", file("errors/up.go", "package errors\n\nimport _ \"github.com/backend-platform/sdk/internal/retry\"\n"),
			[]string{"errors/up.go:3: import of github.com/backend-platform/sdk/internal/retry: errors may not know internal"}},
		{"upward import of a test", "Layers", file("errors/up_test.go", "package errors_test\n\nimport _ \"github.com/backend-platform/sdk/internal\"\n"),
			[]string{"errors/up_test.go:3: import of github.com/backend-platform/sdk/internal"}},
		{"outside import", "Layers", file("errors/out.go", "package errors\n\nimport _ \"github.com/google/go-cmp/cmp\"\n"),
			[]string{"errors/out.go:3: import of github.com/google/go-cmp/cmp: not among the dependencies of errors"}},
		{"OpenTelemetry SDK in a library", "Layers", file("internal/otel.go", "package internal\n\nimport _ \"go.opentelemetry.io/otel\"\nimport _ \"go.opentelemetry.io/otel/sdk/trace\"\n"),
			[]string{"internal/otel.go:4: import of go.opentelemetry.io/otel/sdk/trace"}},
		{"go-cmp in a test", "Layers", file("errors/cmp_test.go", "package errors_test\n\nimport _ \"github.com/google/go-cmp/cmp\"\n"), nil},
		{"module without a row", "Layers", map[string]string{
			"go.work":      strings.Replace(sound["go.work"], "./internal", "./internal\n\t./mail", 1),
			"mail/go.mod":  "module github.com/backend-platform/sdk/mail\n\ngo 1.26.0\n",
			"mail/mail.go": "// Package mail is.\npackage mail\n",
		}, []string{"mail/go.mod: the module has no row"}},

		{"package comment", "PackageDocs", with(t, "internal/doc.go", "// Package internal is an example.\n", ""),
			[]string{"internal/doc.go:1: package internal has no package comment"}},
		{"package comment in a test file", "PackageDocs", map[string]string{
			"internal/doc.go": "package internal\n", "internal/example_test.go": "// Package internal_test is.\npackage internal_test\n",
		}, []string{"internal/doc.go:1: package internal"}},

		{"exported type", "ExportDocs", with(t, "errors/doc.go", "// Code is a code.\n", ""), []string{"errors/doc.go:4: Code is exported"}},
		{"exported function, method, constant", "ExportDocs", file("errors/x.go", "package errors\n\nfunc F() {}\n\n"+
			"func (c *Code) M() {}\n\nfunc (c Code) m() {}\n\nconst C, c = 1, 2\n\nfunc f() {}\n\nvar V = 1 // V is one.\n"),
			[]string{"errors/x.go:3: F is", "errors/x.go:5: Code.M is", "errors/x.go:9: C is"}},
		{"exported method of a generic type", "ExportDocs", file("errors/x.go", "package errors\n\n// A Set is.\ntype Set[T, U any] struct{}\n\n"+
			"func (s *Set[T, U]) Add() {}\n\nfunc (s hidden) Add() {}\n"), []string{"errors/x.go:6: Set.Add is"}},
		{"one type of a group", "ExportDocs", file("errors/x.go", "package errors\n\n// Types.\ntype (\n\t// A is.\n\tA int\n\tB int\n)\n"),
			[]string{"errors/x.go:7: B is"}},
		{"field of an example's Config", "ExportDocs", map[string]string{
			"go.work":         strings.Replace(sound["go.work"], "./errors", "./errors\n\t./examples", 1),
			"examples/go.mod": "module github.com/backend-platform/sdk/examples\n\ngo 1.26.0\n",
			"examples/x.go":   "package examples\n\n// Config is.\ntype Config struct {\n\tWait int\n}\n",
		}, nil},
		{"field of a Config", "ExportDocs", file("errors/x.go", "package errors\n\n// RetryConfig is.\ntype RetryConfig struct {\n\tWait int\n\thidden int\n\tLimit int // Limit is.\n}\n"),
			[]string{"errors/x.go:5: RetryConfig.Wait has no comment"}},

		{"missing files", "ModuleFiles", map[string]string{"errors/CHANGELOG.md": "-", "internal/example_test.go": "-"},
			[]string{"errors/CHANGELOG.md: every module", "internal/example_test.go: every module"}},
		{"no table of defaults", "ModuleFiles", with(t, "internal/README.md", "## Defaults", "## Values"),
			[]string{`internal/README.md: no table | Field | Default | Meaning | under a heading that starts with "## Defaults", but the module exports retry.Config`}},

		{"init", "Code", file("errors/x.go", "package errors\n\nfunc init() {}\n\ntype t int\n\nfunc (t) init() {}\n"), []string{"errors/x.go:3: no init"}},
		{"exit", "Code", file("errors/x.go", "package errors\n\nimport (\n\tstd \"log\"\n\t\"os\"\n)\n\nfunc x() {\n\tos.Exit(1)\n\tstd.Fatalf(\"\")\n}\n"),
			[]string{"errors/x.go:9: os.Exit", "errors/x.go:10: log.Fatalf"}},
		{"exit of a command", "Code", file("errors/cmd/x/main.go", "// Command x is.\npackage main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n"), nil},
		{"sleep in a test", "Code", file("errors/x_test.go", "package errors_test\n\nimport \"time\"\n\nfunc x() { time.Sleep(1) }\n"), []string{"errors/x_test.go:5: time.Sleep"}},
		{"sleep in a bubble", "Code", map[string]string{
			"errors/x_test.go":    "package errors_test\n\nimport \"time\"\n\nfunc x() { time.Sleep(1) }\n",
			"errors/help_test.go": "package errors_test\n\nimport \"testing/synctest\"\n\nvar bubble = synctest.Test\n",
		}, nil},

		{"machine paths and leftovers", "Leftovers", file("docs/x.md", "cd /"+"home/anna/sdk\nhttps://example.com/"+"home/x\nTO"+"DO: more\ncontext.TO"+"DO()\n<<<<"+"<<< HEAD\n"),
			[]string{`docs/x.md:1: "/` + `home/a"`, "docs/x.md:3: ", "docs/x.md:5: "}},

		{"replace, toolchain, go version", "GoMods", file("errors/go.mod", "module github.com/backend-platform/sdk/errors\n\ngo 1.26.1\n\ntoolchain go1.26.2\n\nreplace example.com/a => ../a\n"),
			[]string{"errors/go.mod:3: go 1.26.1, want", "errors/go.mod:5: a toolchain line", "errors/go.mod:7: a replace"}},
		{"replace in a module outside of the workspace", "GoMods", file("tools/lint/go.mod", "module github.com/backend-platform/sdk/tools/lint\n\ngo 1.26.0\n\nreplace example.com/a => ../a\n"),
			[]string{"tools/lint/go.mod:5: a replace"}},
		{"path that is not the folder's", "GoMods", file("tools/lint/go.mod", "module github.com/backend-platform/sdk/lint\n\ngo 1.26.0\n"),
			[]string{"tools/lint/go.mod:1: the module path is not github.com/backend-platform/sdk/tools/lint"}},
		{"module outside of go.work", "GoMods", file("mail/go.mod", "module github.com/backend-platform/sdk/mail\n\ngo 1.26.0\n"), []string{"go.work: use ./mail is missing"}},
		{"tools inside of go.work", "GoMods", map[string]string{
			"go.work":      strings.Replace(sound["go.work"], "./internal", "./internal\n\t./tools", 1),
			"tools/go.mod": "module github.com/backend-platform/sdk/tools\n\ngo 1.26.0\n",
		}, []string{"go.work: ./tools would decide"}},
		{"sibling version without a replace", "GoMods", with(t, "internal/go.mod", "v0.1.0", "v0.2.0"),
			[]string{`go.work: "github.com/backend-platform/sdk/errors v0.2.0 => ./errors" is missing`, `go.work:9: "github.com/backend-platform/sdk/errors v0.1.0 => ./errors" matches no require`}},

		{"block that differs", "Markdown", with(t, "errors/README.md", "code := errors.Code(1)", "code := errors.Code(2)"), []string{"errors/README.md:4: the block is not what its source says"}},
		{"block without a source", "Markdown", with(t, "errors/README.md", "<!-- from example_test.go:ExampleCode -->\n", ""), []string{"errors/README.md:3: a block of Go needs its source"}},
		{"source that is not there", "Markdown", with(t, "errors/README.md", ":ExampleCode", ":ExampleCod"), []string{"errors/README.md:4: errors/example_test.go declares no ExampleCod"}},
		{"source that is not compiled", "Markdown", map[string]string{
			"README.md": "<!-- from errors/x.go -->\n```go\npackage errors\n```\n", "errors/x.go": "//go:build ignore\n\npackage errors\n",
		}, []string{"README.md:2: errors/x.go has a build constraint"}},
		{"source outside of a module", "Markdown", file("README.md", "<!-- from errors/testdata/x.go -->\n```go\n```\n"), []string{"README.md:2: errors/testdata/x.go is no compiled file"}},
		{"dead link", "Markdown", file("README.md", "[a](LICENSE) [b](docs/NO.md#x)\n```text\n[c](NO.md)\n```\n"), []string{"README.md:1: link to docs/NO.md"}},
		{"block inside a block", "Markdown", file("README.md", "````markdown\n```go\n```\n[a](NO.md)\n````\n[a](NO.md) ```x```\n"), []string{"README.md:6: link to NO.md"}},
		{"block without an end", "Markdown", file("README.md", "<!-- from errors/doc.go -->\n```go\npackage errors\n"), []string{"README.md:2: the block has no end", "README.md:2: the block is not"}},
	} {
		t.Run(test.check+"/"+test.name, func(t *testing.T) {
			faults, err := checks[test.check](open(t, test.changes))
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(faults, byPlace)
			for i, want := range test.want {
				if i >= len(faults) || !strings.HasPrefix(faults[i].String(), want) {
					t.Errorf("want %q among %v", want, faults)
				}
			}
			if len(faults) > len(test.want) {
				t.Errorf("%d faults, want %d: %v", len(faults), len(test.want), faults)
			}
		})
	}
}

func TestMarkdownUpdateWritesWhatTheCheckWants(t *testing.T) {
	repo := open(t, map[string]string{
		"README.md": "# SDK\n\n<!-- from errors/example_test.go:ExampleCode -->\n```go\n```\n\nand\n\n" +
			"<!-- from errors/doc.go:Code,Code.Is -->\n```go\nold\n```\n\n<!-- from errors/doc.go -->\n```go\nold\n```\n\n```sh\nmake\n```\n",
		"errors/doc.go": "// Package errors is.\npackage errors\n\n// Code is a code.\ntype Code uint32\n\n// Is is.\nfunc (c *Code) Is() bool {\n\treturn true\n}\n",
	})
	if _, err := repocheck.Markdown(repo, true); err != nil {
		t.Fatal(err)
	}
	code := "// Code is a code.\ntype Code uint32\n\n// Is is.\nfunc (c *Code) Is() bool {\n\treturn true\n}\n"
	want := "# SDK\n\n<!-- from errors/example_test.go:ExampleCode -->\n```go\ncode := errors.Code(1)\nfmt.Println(code)\n```\n\nand\n\n" +
		"<!-- from errors/doc.go:Code,Code.Is -->\n```go\n" + code + "```\n\n<!-- from errors/doc.go -->\n```go\npackage errors\n\n" + code + "```\n\n```sh\nmake\n```\n"
	have, err := os.ReadFile(filepath.Join(repo.Root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(have)); d != "" {
		t.Error(d)
	}
	if faults, err := repocheck.Markdown(repo, false); err != nil || len(faults) > 0 {
		t.Errorf("after the update: %v, %v", faults, err)
	}
}

func TestBudgetNamesWhatAModuleLinks(t *testing.T) {
	repo := open(t, nil)
	golden := t.TempDir()
	faults, err := repocheck.Budget(t.Context(), repo, golden, false)
	want := "internal/go.mod: links what its budget does not have: github.com/backend-platform/sdk/errors Apache-2.0 only in retry"
	if err != nil || len(faults) != 1 || !strings.HasPrefix(faults[0].String(), want) {
		t.Fatalf("no golden list: %v, %v", faults, err)
	}
	if _, err := repocheck.Budget(t.Context(), repo, golden, true); err != nil {
		t.Fatal(err)
	}
	if faults, err := repocheck.Budget(t.Context(), repo, golden, false); err != nil || len(faults) > 0 {
		t.Fatalf("after the update: %v, %v", faults, err)
	}
	if err := os.WriteFile(filepath.Join(golden, "errors.txt"), []byte("example.com/gone MIT\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	faults, err = repocheck.Budget(t.Context(), repo, golden, false)
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].String(), "errors/go.mod: no longer links example.com/gone MIT") {
		t.Errorf("a line too many: %v, %v", faults, err)
	}
}

func TestVersionsDifferInsideAndOutsideOfTheWorkspace(t *testing.T) {
	outside.Serve(t, map[string]string{"example.com/dep@v1.0.0": "package dep\n", "example.com/dep@v1.1.0": "package dep\n"})
	uses := "\nimport _ \"example.com/dep\"\n"
	repo := open(t, map[string]string{
		"go.work":                 "go 1.26.0\n\nuse (\n\t./errors\n\t./internal\n)\n",
		"errors/dep.go":           "package errors\n" + uses,
		"errors/go.mod":           sound["errors/go.mod"] + "\nrequire example.com/dep v1.0.0\n",
		"internal/go.mod":         "module github.com/backend-platform/sdk/internal\n\ngo 1.26.0\n\nrequire example.com/dep v1.1.0\n",
		"internal/retry/retry.go": "package retry\n" + uses,
	})
	if err := repo.Workspace.Tidy(t.Context(), modproxy.TidyOptions{Log: t.Output()}); err != nil {
		t.Fatal(err)
	}
	faults, err := repocheck.Versions(t.Context(), repo)
	want := "errors/go.mod: example.com/dep is v1.1.0 in the workspace and v1.0.0 outside"
	if err != nil || len(faults) != 1 || !strings.HasPrefix(faults[0].String(), want) {
		t.Fatalf("want %q, got %v, %v", want, faults, err)
	}
	repo.Only = "internal"
	if faults, err := repocheck.Versions(t.Context(), repo); err != nil || len(faults) > 0 {
		t.Errorf("internal alone: %v, %v", faults, err)
	}
}
