package repocheck

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Budget compares the modules that a service links with each SDK module against the golden lists in dir, one file a
// module. A line names a module, its licence and, where the module's root package does not link it, the packages that
// do. gobreaker v2.1.0 once brought redis into every program that imported it: here such a thing is a line of a diff.
// With update the lists are rewritten instead.
func Budget(ctx context.Context, r *Repo, dir string, update bool) ([]Fault, error) {
	var faults []Fault
	for _, m := range r.Modules {
		if !m.SDK() || len(m.Packages) == 0 || r.Only != "" && r.Only != m.Name {
			continue
		}
		have, err := r.budget(ctx, m)
		if err != nil {
			return nil, err
		}
		golden := filepath.Join(dir, m.Name+".txt")
		if update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o777); err != nil {
				return nil, err
			}
			if err := os.WriteFile(golden, []byte(have), 0o666); err != nil {
				return nil, err
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		faults = append(faults, compareBudget(m, string(want), have)...)
	}
	return faults, nil
}

func compareBudget(m *Module, want, have string) []Fault {
	var faults []Fault
	wanted, had := strings.Split(want, "\n"), strings.Split(have, "\n")
	for _, line := range had {
		if !slices.Contains(wanted, line) {
			faults = append(faults, Fault{File: m.Name + "/go.mod", Text: "links what its budget does not have: " + line + " (make budget, if it is worth it)"})
		}
	}
	for _, line := range wanted {
		if !slices.Contains(had, line) {
			faults = append(faults, Fault{File: m.Name + "/go.mod", Text: "no longer links " + line + ": make budget"})
		}
	}
	return faults
}

// listed is what go list prints of a package.
type listed struct {
	ImportPath string
	DepOnly    bool
	Deps       []string
	Module     *struct{ Path, Dir string }
}

// budget lists the modules that the non-test packages of m link.
func (r *Repo) budget(ctx context.Context, m *Module) (string, error) {
	out, err := r.goCommand(ctx, m.Dir, "list", "-deps", "-json=ImportPath,DepOnly,Deps,Module", "./...")
	if err != nil {
		return "", err
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return "", fmt.Errorf("go list: %w", err)
		}
		packages[p.ImportPath] = p
	}
	users, dirs := linkedModules(m, packages)
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(users)) {
		licence, err := r.licence(dirs[path])
		if err != nil {
			return "", fmt.Errorf("licence of %s: %w", path, err)
		}
		fmt.Fprintf(&b, "%s %s", path, licence)
		if !slices.Contains(users[path], ".") {
			fmt.Fprintf(&b, " only in %s", strings.Join(users[path], ", "))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// linkedModules maps the path of each module outside of m to the packages of m, relative to it, that link it, and to
// its folder.
func linkedModules(m *Module, packages map[string]listed) (users map[string][]string, dirs map[string]string) {
	users, dirs = map[string][]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		p := packages[name]
		if p.DepOnly {
			continue
		}
		rel := cmp.Or(strings.TrimPrefix(strings.TrimPrefix(name, m.Path), "/"), ".")
		for _, dep := range p.Deps {
			mod := packages[dep].Module
			if mod == nil || mod.Path == m.Path || slices.Contains(users[mod.Path], rel) {
				continue
			}
			users[mod.Path] = append(users[mod.Path], rel)
			dirs[mod.Path] = mod.Dir
		}
	}
	return users, dirs
}

// licences are told apart by words that only the one text has; the first that matches counts.
var licences = []struct{ name, words string }{
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License"},
	{"GPL", "GNU"},
	{"ISC", "Permission to use, copy, modify, and/or distribute"},
	{"MIT", "Permission is hereby granted, free of charge"},
	{"BSD-3-Clause", "endorse or promote products derived from this software"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
}

// licence names the licence of the module in dir. A folder of this repository without one has the root's.
func (r *Repo) licence(dir string) (string, error) {
	if strings.HasPrefix(dir, r.Root+string(filepath.Separator)) {
		if _, err := os.Stat(filepath.Join(dir, "LICENSE")); os.IsNotExist(err) {
			dir = r.Root
		}
	}
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "License*", "license*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			continue
		}
		data, err := os.ReadFile(names[0])
		if err != nil {
			return "", err
		}
		text := strings.Join(strings.Fields(string(data)), " ")
		for _, l := range licences {
			if strings.Contains(text, l.words) {
				return l.name, nil
			}
		}
		return "", fmt.Errorf("%s is none that is known", names[0])
	}
	return "", fmt.Errorf("no licence in %s", dir)
}
