package repocheck

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// goVersion is the go line of every go.mod: the older of the two supported releases, without a patch-level floor.
const goVersion = "1.26.0"

// GoMods returns the go.mod files with a replace, a toolchain line, another go version than the house's or a module
// path that is not the folder's, and those go.work files whose members or replaces do not match the go.mod files.
func GoMods(r *Repo) ([]Fault, error) {
	var faults []Fault
	var modules []string
	err := r.textFiles(func(name string, data []byte) error {
		if path.Base(name) != "go.mod" || strings.Contains(name, "testdata/") {
			return nil
		}
		file, err := modfile.Parse(name, data, nil)
		if err != nil {
			return err
		}
		modules = append(modules, path.Dir(name))
		faults = append(faults, checkGoMod(name, file)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	works, err := r.goWorks(modules)
	return append(faults, works...), err
}

func checkGoMod(name string, file *modfile.File) []Fault {
	var faults []Fault
	for _, replace := range file.Replace {
		faults = append(faults, Fault{name, replace.Syntax.Start.Line, "a replace is for go.work: here it breaks go install and hides a missing release"})
	}
	if file.Toolchain != nil {
		faults = append(faults, Fault{name, file.Toolchain.Syntax.Start.Line, "a toolchain line would decide for the services that import the module"})
	}
	switch {
	case file.Go == nil:
		faults = append(faults, Fault{File: name, Text: "no go line: go " + goVersion})
	case file.Go.Version != goVersion:
		faults = append(faults, Fault{name, file.Go.Syntax.Start.Line, "go " + file.Go.Version + ", want go " + goVersion})
	}
	if want := "github.com/backend-platform/sdk/" + path.Dir(name); file.Module == nil || file.Module.Mod.Path != want {
		faults = append(faults, Fault{name, 1, "the module path is not " + want})
	}
	return faults
}

// goWorks checks go.work against the modules that there are. What is neither tagged nor an example stays out of it: a
// workspace selects one version of each dependency for all members, so a linter or a benchmarked peer inside it would
// decide which zap the SDK is tested with.
func (r *Repo) goWorks(modules []string) ([]Fault, error) {
	var faults []Fault
	for _, name := range modules {
		m := r.Workspace.Module(name)
		outside := name == "benchmarks" || name == "tools" || strings.HasPrefix(name, "tools/")
		switch inside := m != nil && !m.Extra; {
		case inside && outside:
			faults = append(faults, Fault{File: "go.work", Text: "./" + name + " would decide which versions the SDK is tested with: it stays outside"})
		case !inside && !outside:
			faults = append(faults, Fault{File: "go.work", Text: "use ./" + name + " is missing"})
		}
	}
	for _, name := range []string{"go.work", "benchmarks/go.work"} {
		data, err := os.ReadFile(filepath.Join(r.Root, name))
		if os.IsNotExist(err) && name != "go.work" {
			continue
		}
		if err != nil {
			return nil, err
		}
		want, err := r.Workspace.Replaces(filepath.Join(r.Root, name), data)
		if err != nil {
			return nil, err
		}
		have, need := strings.Split(string(data), "\n"), strings.Split(string(want), "\n")
		for i, line := range have {
			if !slices.Contains(need, line) {
				faults = append(faults, Fault{name, i + 1, fmt.Sprintf("%q matches no require of a go.mod: make tidy", strings.TrimSpace(line))})
			}
		}
		for _, line := range need {
			if !slices.Contains(have, line) {
				faults = append(faults, Fault{File: name, Text: fmt.Sprintf("%q is missing: make tidy", strings.TrimSpace(line))})
			}
		}
	}
	return faults, nil
}
