package repocheck_test

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/tools/repocheck"
)

var (
	repository = flag.String("repository", "", "check the repository in this `folder`")
	module     = flag.String("module", "", "report only faults in this module's `folder`")
	update     = flag.String("update", "", "rewrite the `readme` blocks or the `budget` lists instead of comparing them")
)

// TestRepository runs all checks over the repository. It is "make lint", "make readme" and "make budget".
func TestRepository(t *testing.T) {
	if *repository == "" {
		t.Skip("no -repository: make lint gives one")
	}
	root, err := filepath.Abs(*repository)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := repocheck.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	repo.Only = *module
	static := func(check func(*repocheck.Repo) ([]repocheck.Fault, error)) func(*testing.T) ([]repocheck.Fault, error) {
		return func(*testing.T) ([]repocheck.Fault, error) { return check(repo) }
	}
	for _, check := range []struct {
		name string
		run  func(*testing.T) ([]repocheck.Fault, error)
	}{
		{"Layers", static(repocheck.Layers)},
		{"PackageDocs", static(repocheck.PackageDocs)},
		{"ExportDocs", static(repocheck.ExportDocs)},
		{"ModuleFiles", static(repocheck.ModuleFiles)},
		{"Code", static(repocheck.Code)},
		{"Leftovers", static(repocheck.Leftovers)},
		{"GoMods", static(repocheck.GoMods)},
		{"Markdown", func(*testing.T) ([]repocheck.Fault, error) {
			return repocheck.Markdown(repo, *update == "readme")
		}},
		{"Budget", func(t *testing.T) ([]repocheck.Fault, error) {
			return repocheck.Budget(t.Context(), repo, filepath.Join("testdata", "budget"), *update == "budget")
		}},
		{"Versions", func(t *testing.T) ([]repocheck.Fault, error) { return repocheck.Versions(t.Context(), repo) }},
	} {
		t.Run(check.name, func(t *testing.T) {
			faults, err := check.run(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range slices.SortedFunc(slices.Values(faults), byPlace) {
				if *module == "" || strings.HasPrefix(fault.File, *module+"/") {
					t.Errorf("%v", fault)
				}
			}
		})
	}
}

func byPlace(a, b repocheck.Fault) int {
	if c := strings.Compare(a.File, b.File); c != 0 {
		return c
	}
	return a.Line - b.Line
}
