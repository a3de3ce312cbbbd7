package modproxy_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/tools/internal/outside"
	"github.com/backend-platform/sdk/tools/modproxy"
)

const sdk = "github.com/backend-platform/sdk/"

// work is a workspace in which every go.mod and go.sum is still to be written: client uses base, and base an outside
// module.
var work = map[string]string{
	"LICENSE":               "Apache License\n",
	"go.work":               "go 1.26.0\n\nuse (\n\t./base\n\t./client\n)\n",
	"base/go.mod":           "module " + sdk + "base\n\ngo 1.26.0\n",
	"base/base.go":          "// Package base is.\npackage base\n\nimport \"example.com/dep\"\n\nconst Answer = dep.Answer\n",
	"client/go.mod":         "module " + sdk + "client\n\ngo 1.26.0\n",
	"client/client.go":      "// Package client is.\npackage client\n\nimport \"" + sdk + "base\"\n\nconst Answer = base.Answer\n",
	"client/client_test.go": "package client_test\n\nimport (\n\t\"testing\"\n\n\t\"" + sdk + "client\"\n)\n\nfunc Test(t *testing.T) {\n\tif client.Answer != 42 {\n\t\tt.Fail()\n\t}\n}\n",
}

// workspace writes the workspace into a new folder and returns it with the folder of the user's module cache.
func workspace(t *testing.T, changes map[string]string) (root, cache string) {
	t.Helper()
	cache = outside.Serve(t, map[string]string{
		"example.com/dep@v1.0.0": "package dep\n\nconst Answer = 41\n",
		"example.com/dep@v1.1.0": "package dep\n\nconst Answer = 42\n",
	})
	root = t.TempDir()
	outside.Write(t, root, work)
	outside.Write(t, root, changes)
	return root, cache
}

func tidy(t *testing.T, root string, opts modproxy.TidyOptions) error {
	t.Helper()
	opts.Log = t.Output()
	ws, err := modproxy.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return ws.Tidy(t.Context(), opts)
}

func standalone(t *testing.T, root string) error {
	t.Helper()
	ws, err := modproxy.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return ws.TestStandalone(t.Context(), modproxy.TestOptions{Log: t.Output()})
}

func mustTidy(t *testing.T, root string) {
	t.Helper()
	if err := tidy(t, root, modproxy.TidyOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTidyWritesWhatReleasedSiblingsWouldGive(t *testing.T) {
	root, _ := workspace(t, nil)
	mustTidy(t, root)
	want := map[string]string{
		"base/go.mod":   "module " + sdk + "base\n\ngo 1.26.0\n\nrequire example.com/dep v1.1.0\n",
		"client/go.mod": "module " + sdk + "client\n\ngo 1.26.0\n\nrequire " + sdk + "base v0.1.0\n\nrequire example.com/dep v1.1.0 // indirect\n",
		"go.work":       work["go.work"] + "\nreplace (\n\t" + sdk + "base v0.1.0 => ./base\n)\n",
	}
	for name, text := range want {
		if d := cmp.Diff(text, read(t, root, name)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, name := range []string{"base/go.sum", "client/go.sum"} {
		sums := read(t, root, name)
		if !strings.Contains(sums, "example.com/dep v1.1.0 h1:") || !strings.Contains(sums, "example.com/dep v1.1.0/go.mod h1:") {
			t.Errorf("%s lacks the outside module: %q", name, sums)
		}
		if strings.Contains(sums, sdk) {
			t.Errorf("%s has a hash of work-tree content: %q", name, sums)
		}
	}
	if err := tidy(t, root, modproxy.TidyOptions{Check: true}); err != nil {
		t.Errorf("after tidy: %v", err)
	}
}

func TestTidyLeavesTheUsersModuleCacheWithoutSiblings(t *testing.T) {
	root, cache := workspace(t, nil)
	mustTidy(t, root)
	if err := standalone(t, root); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"github.com", "cache/download/github.com"} {
		if _, err := os.Stat(filepath.Join(cache, dir)); !os.IsNotExist(err) {
			t.Errorf("%s is in the user's module cache: %v", dir, err)
		}
	}
}

func TestTidyCheckReportsAndWritesNothing(t *testing.T) {
	root, _ := workspace(t, nil)
	before := read(t, root, "client/go.mod")
	err := tidy(t, root, modproxy.TidyOptions{Check: true})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"base/go.mod", "base/go.sum", "client/go.mod", "client/go.sum", "go.work"} {
		if !strings.Contains(err.Error(), name+" is not tidy") {
			t.Errorf("no word of %s in: %v", name, err)
		}
	}
	if read(t, root, "client/go.mod") != before {
		t.Error("client/go.mod was written")
	}
}

func TestTidyOfOneModuleLeavesTheOthersAlone(t *testing.T) {
	root, _ := workspace(t, nil)
	if err := tidy(t, root, modproxy.TidyOptions{Only: []string{"base"}}); err != nil {
		t.Fatal(err)
	}
	if read(t, root, "client/go.mod") != work["client/go.mod"] || read(t, root, "base/go.mod") == work["base/go.mod"] {
		t.Error("want base tidied, and client as it was")
	}
	if err := tidy(t, root, modproxy.TidyOptions{Only: []string{"bas"}}); err == nil {
		t.Error("an unknown module is no error")
	}
}

func TestTidyKeepsRequiresOfAModuleWithoutGoFiles(t *testing.T) {
	goMod := work["base/go.mod"] + "\nrequire example.com/dep v1.0.0\n"
	root, _ := workspace(t, map[string]string{"base/go.mod": goMod, "base/base.go": "-", "client/client.go": "package client\n\nconst Answer = 42\n"})
	mustTidy(t, root)
	if d := cmp.Diff(goMod, read(t, root, "base/go.mod")); d != "" {
		t.Error(d)
	}
}

func TestTidyKeepsSiblingVersionsAndTheLinesOfARelease(t *testing.T) {
	const released = sdk + "base v0.3.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	root, _ := workspace(t, map[string]string{
		"client/go.mod": work["client/go.mod"] + "\nrequire " + sdk + "base v0.3.0\n",
		"client/go.sum": released,
	})
	mustTidy(t, root)
	if !strings.Contains(read(t, root, "client/go.mod"), sdk+"base v0.3.0\n") {
		t.Errorf("the version changed: %s", read(t, root, "client/go.mod"))
	}
	if !strings.Contains(read(t, root, "client/go.sum"), released) {
		t.Errorf("the release's line is gone: %s", read(t, root, "client/go.sum"))
	}
	if !strings.Contains(read(t, root, "go.work"), sdk+"base v0.3.0 => ./base") {
		t.Errorf("go.work does not follow: %s", read(t, root, "go.work"))
	}
}

func TestTidyRaisesASiblingToWhatAnotherSiblingRequires(t *testing.T) {
	root, _ := workspace(t, map[string]string{
		"go.work":       "go 1.26.0\n\nuse (\n\t./base\n\t./client\n\t./top\n)\n",
		"client/go.mod": work["client/go.mod"] + "\nrequire " + sdk + "base v0.3.0\n",
		"top/go.mod":    "module " + sdk + "top\n\ngo 1.26.0\n\nrequire " + sdk + "base v0.1.0\n",
		"top/top.go":    "package top\n\nimport _ \"" + sdk + "base\"\nimport _ \"" + sdk + "client\"\n",
	})
	mustTidy(t, root)
	if goMod := read(t, root, "top/go.mod"); !strings.Contains(goMod, sdk+"base v0.3.0\n") {
		t.Errorf("want base v0.3.0, as client requires it: %s", goMod)
	}
	if err := standalone(t, root); err != nil {
		t.Error(err)
	}
}

func TestTidyNamesAnImportThatNothingProvides(t *testing.T) {
	root, _ := workspace(t, map[string]string{
		"base/more.go": "package base\n\nimport _ \"" + sdk + "base/absent\"\n",
		"go.work":      "go 1.26.0\n\nuse (\n\t./base\n\t./client\n\t./other\n)\n",
		"other/go.mod": "module " + sdk + "other\n\ngo 1.26.0\n",
		"other/x.go":   "package other\n\nimport _ \"example.com/dep\"\n",
	})
	err := tidy(t, root, modproxy.TidyOptions{})
	if err == nil || !strings.Contains(err.Error(), sdk+"base/absent") {
		t.Errorf("want the import in the error, got %v", err)
	}
	if !strings.Contains(read(t, root, "other/go.mod"), "example.com/dep v1.1.0") {
		t.Error("other was not tidied because base could not be")
	}
	if err := tidy(t, root, modproxy.TidyOptions{KeepGoing: true}); err != nil {
		t.Errorf("with KeepGoing: %v", err)
	}
}

func TestStandalonePassesWithTheUsersPrivateSettings(t *testing.T) {
	root, _ := workspace(t, nil)
	mustTidy(t, root)
	t.Setenv("GOPRIVATE", "github.com/backend-platform") // would send the go command past any proxy
	if err := standalone(t, root); err != nil {
		t.Error(err)
	}
}

func TestStandaloneFindsWhatTheWorkspaceHides(t *testing.T) {
	for _, test := range []struct {
		name, file, line, want string
	}{
		{"missing go.sum line", "client/go.sum", "example.com/dep v1.1.0 h1:", "client: go build"},
		{"missing go.sum line of a go.mod", "base/go.sum", "example.com/dep v1.1.0/go.mod h1:", "base: go build"},
		{"missing outside require", "base/go.mod", "require example.com/dep", "base: go build"},
		{"missing sibling require", "client/go.mod", "require " + sdk + "base", "client: go build"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root, _ := workspace(t, nil)
			mustTidy(t, root)
			lines := strings.SplitAfter(read(t, root, test.file), "\n")
			left := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, test.line) })
			if len(left) != len(lines)-1 {
				t.Fatalf("%s has no line %q", test.file, test.line)
			}
			outside.Write(t, root, map[string]string{test.file: strings.Join(left, "")})
			t.Setenv("GOFLAGS", "-modcacherw -mod=mod") // a user's setting that would repair it
			if err := standalone(t, root); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}

func TestStandaloneBuildsAgainstSiblingsAsTheyAreNow(t *testing.T) {
	root, _ := workspace(t, nil)
	mustTidy(t, root)
	outside.Write(t, root, map[string]string{"base/base.go": "package base\n\nimport _ \"example.com/dep\"\n\nconst Answer = 43\n"})
	if err := standalone(t, root); err == nil || !strings.Contains(err.Error(), "client: go test") {
		t.Errorf("base changed its answer, and client's test does not mind: %v", err)
	}
}

func TestStandaloneTestsFindTheStandardLibrarysSources(t *testing.T) {
	root, _ := workspace(t, map[string]string{"client/goroot_test.go": "package client_test\n\nimport (\n\t\"go/build\"\n\t\"testing\"\n)\n\n" +
		"func TestSources(t *testing.T) {\n\tif _, err := build.Import(\"errors\", \"\", build.FindOnly); err != nil {\n\t\tt.Error(err)\n\t}\n}\n"})
	mustTidy(t, root)
	if err := standalone(t, root); err != nil {
		t.Error(err)
	}
}

func TestStandaloneStopsWhenCancelled(t *testing.T) {
	root, _ := workspace(t, nil)
	mustTidy(t, root)
	ws, err := modproxy.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ws.TestStandalone(ctx, modproxy.TestOptions{}); err == nil {
		t.Error("no error")
	}
}

func TestModulesThatUseEachOtherAreNamed(t *testing.T) {
	root, _ := workspace(t, map[string]string{
		"base/up.go":  "package base\n\nimport _ \"" + sdk + "client\"\n",
		"go.work":     "go 1.26.0\n\nuse (\n\t./apex\n\t./base\n\t./client\n)\n", // apex is outside of the circle
		"apex/go.mod": "module " + sdk + "apex\n\ngo 1.26.0\n",
		"apex/x.go":   "package apex\n\nimport _ \"" + sdk + "base\"\n",
	})
	err := tidy(t, root, modproxy.TidyOptions{})
	if err == nil || !strings.HasSuffix(err.Error(), "circle: base -> client -> base") {
		t.Errorf("want the circle, got %v", err)
	}
}

func TestLoadNamesAFileThatCannotBeParsed(t *testing.T) {
	root, _ := workspace(t, map[string]string{"base/base.go": "package base\n\nimport \"\n"})
	if _, err := modproxy.Load(root); err == nil || !strings.Contains(err.Error(), "base.go:3") {
		t.Errorf("want base.go:3, got %v", err)
	}
}

func TestStageLeavesNothingBehind(t *testing.T) {
	root, _ := workspace(t, nil)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	mustTidy(t, root)
	entries, err := os.ReadDir(temp)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestBenchmarksAreTidiedWithAGoWorkOfTheirOwn(t *testing.T) {
	root, _ := workspace(t, map[string]string{
		"benchmarks/go.mod":  "module " + sdk + "benchmarks\n\ngo 1.26.0\n",
		"benchmarks/go.work": "go 1.26.0\n\nuse (\n\t.\n\t../base\n)\n",
		"benchmarks/main.go": "package main\n\nimport _ \"" + sdk + "base\"\n\nfunc main() {}\n",
	})
	mustTidy(t, root)
	if have := read(t, root, "benchmarks/go.work"); !strings.Contains(have, "replace (\n\t"+sdk+"base v0.1.0 => ../base\n)\n") {
		t.Errorf("benchmarks/go.work: %s", have)
	}
	if have := read(t, root, "benchmarks/go.mod"); !strings.Contains(have, "require "+sdk+"base v0.1.0\n") {
		t.Errorf("benchmarks/go.mod: %s", have)
	}
}
