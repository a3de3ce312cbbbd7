package release

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// consumer writes a module outside of the workspace that requires siblings at the versions given, as the go.mod of a
// service does, and has these files. It returns its folder. Its go.sum is seeded with what the tree's modules have, so
// that nothing has to be asked over the network for what is known.
func (c *candidate) consumer(ctx context.Context, name string, requires map[string]string, files map[string][]byte) (string, error) {
	dir, err := c.scratch(name)
	if err != nil {
		return "", err
	}
	var goMod strings.Builder
	fmt.Fprintf(&goMod, "module example.com/%s\n\ngo 1.26.0\n\nrequire (\n", name)
	for _, path := range slices.Sorted(maps.Keys(requires)) {
		if requires[path] != "" {
			fmt.Fprintf(&goMod, "\t%s %s\n", path, requires[path])
		}
	}
	goMod.WriteString(")\n")
	sums := slices.Clone(c.sums)
	for _, m := range c.ws.Modules {
		data, _ := os.ReadFile(filepath.Join(m.Dir, "go.sum")) // a module without dependencies has none
		for line := range strings.Lines(string(data)) {
			if path, _, _ := strings.Cut(line, " "); !c.ws.Sibling(path) {
				sums = append(sums, strings.TrimSpace(line))
			}
		}
	}
	slices.Sort(sums)
	all := map[string][]byte{
		"go.mod": []byte(goMod.String()), "go.sum": []byte(strings.Join(slices.Compact(sums), "\n") + "\n"),
	}
	maps.Copy(all, files)
	for name, data := range all {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, data, 0o666); err != nil {
			return "", err
		}
	}
	return dir, ctx.Err()
}

// build compiles packages in a consumer: go.mod and go.sum are completed first, as go get does, and then nothing may
// change them any more, as in a service's CI. flags are those of go build alone.
func (c *candidate) build(ctx context.Context, dir string, flags []string, packages ...string) error {
	if _, err := c.goCommand(ctx, dir, append([]string{"list", "-mod=mod", "-deps"}, packages...)...); err != nil {
		return err
	}
	args := append([]string{"build", "-mod=readonly", "-trimpath"}, flags...)
	_, err := c.goCommand(ctx, dir, append(args, packages...)...)
	return err
}

// program reads the files of a program that lives in the tree (or in a commit of it), by their base names.
func (c *candidate) program(ctx context.Context, commit, name string) (map[string][]byte, error) {
	dir := programs + "/" + name
	files := map[string][]byte{}
	if commit == "" {
		names, err := filepath.Glob(filepath.Join(c.root, filepath.FromSlash(dir), "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if files[filepath.Base(name)], err = os.ReadFile(name); err != nil {
				return nil, err
			}
		}
	} else {
		names, err := c.git.lines(ctx, "ls-tree", "--name-only", commit, dir+"/")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := c.git.run(ctx, "cat-file", "blob", commit+":"+name)
			if err != nil {
				return nil, err
			}
			files[filepath.Base(name)] = []byte(text + "\n")
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no Go files", dir)
	}
	return files, nil
}

// programs is where the programs are that stand for services.
const programs = "tools/release/testdata/programs"
