package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// What services of different releases say to each other is kept for each release: wire/<module>/<version>/<fixture> is
// the bytes, and <fixture>.means what a reader made of them, one fact a line. "unreleased" is what the tree writes; a
// release copies it. The program that writes and reads them is in programs/wire.
const (
	fixtures = "tools/release/testdata/wire"
	pending  = "unreleased"
	means    = ".means"
)

// gateWire: the tree writes what its fixtures say, reads what every release wrote, and the last release, as services
// run it, reads what the tree writes.
func gateWire(ctx context.Context, c *candidate) error {
	program, err := c.wireProgram(ctx, "", c.versions)
	if err != nil {
		return err
	}
	written, err := program.write(ctx)
	if err != nil {
		return err
	}
	kept, err := readFixtures(c.root)
	if err != nil {
		return err
	}
	faults := []error{compareWritten(kept, written)}
	for _, version := range kept.versions() {
		faults = append(faults, program.understands(ctx, "the tree", kept.of(version), kept.of(version)))
	}
	if commit, err := c.lastCommit(ctx); err != nil || commit == "" {
		return errors.Join(append(faults, err)...)
	}
	return errors.Join(append(faults, c.lastReleaseReads(ctx, kept, written))...)
}

func (c *candidate) lastReleaseReads(ctx context.Context, kept, written fixtureSet) error {
	commit, err := c.lastCommit(ctx)
	if err != nil {
		return err
	}
	program, err := c.wireProgram(ctx, commit, c.ws.Releases)
	if err != nil {
		return err
	}
	wanted := fixtureSet{}
	for name, data := range written {
		if base, ok := strings.CutSuffix(name, means); ok {
			// What the release made of its own fixture of this name, it shall make of the new one.
			module, rest, _ := cutModule(base, pending)
			if was, ok := kept[path.Join(module, last(c.releases[c.ws.Module(module).Path]), rest)+means]; ok {
				wanted[name] = was
			}
			continue
		}
		wanted[name] = data
	}
	return program.understands(ctx, "the last release", wanted, wanted)
}

// lastCommit is the commit of the newest release, or "".
func (c *candidate) lastCommit(ctx context.Context) (string, error) {
	args := []string{"rev-list", "--max-count=1", "--topo-order"}
	for p, version := range c.ws.Releases {
		args = append(args, "refs/tags/"+c.ws.Module(p).Name+"/"+version)
	}
	if len(args) == 3 {
		return "", nil
	}
	return c.git.run(ctx, args...)
}

// UpdateWire rewrites the fixtures of what is not released yet.
func UpdateWire(ctx context.Context, opts Options) error {
	return withCandidate(ctx, opts, func(c *candidate) error {
		program, err := c.wireProgram(ctx, "", c.versions)
		if err != nil {
			return err
		}
		written, err := program.write(ctx)
		if err != nil {
			return err
		}
		for name, data := range written {
			file := filepath.Join(c.root, filepath.FromSlash(fixtures), filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(data), 0o666)); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepFixtures copies what is unreleased to the versions of the targets, in the tree at root.
func keepFixtures(root string, targets []Target) error {
	for _, t := range targets {
		from := filepath.Join(root, filepath.FromSlash(fixtures), filepath.FromSlash(t.Name), pending)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue // the module puts nothing on the wire
		}
		if err := os.CopyFS(filepath.Join(filepath.Dir(from), t.Version), os.DirFS(from)); err != nil {
			return err
		}
	}
	return nil
}

// A fixtureSet has fixtures and their meanings by name: errors/v0.1.0/not-found.
type fixtureSet map[string]string

func readFixtures(root string) (fixtureSet, error) {
	set := fixtureSet{}
	dir := os.DirFS(filepath.Join(root, filepath.FromSlash(fixtures)))
	err := fs.WalkDir(dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(dir, name)
		set[name] = string(data)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: there are no fixtures: release -wire writes them", fixtures)
	}
	return set, err
}

// versions lists the folders that hold releases' fixtures.
func (s fixtureSet) versions() []string {
	all := map[string]bool{}
	for name := range s {
		if version := path.Base(path.Dir(name)); version != pending {
			all[version] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (s fixtureSet) of(version string) fixtureSet {
	some := fixtureSet{}
	for name, data := range s {
		if path.Base(path.Dir(name)) == version {
			some[name] = data
		}
	}
	return some
}

// cutModule splits a fixture's name: templates/x/unreleased/error is of templates/x.
func cutModule(name, version string) (module, rest string, ok bool) {
	return strings.Cut(name, "/"+version+"/")
}

// compareWritten: a change of the wire format is a change of a file that a reviewer sees.
func compareWritten(kept, written fixtureSet) error {
	const update = "if that is meant, and the last release can read it, make wire rewrites the fixtures"
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(written)) {
		switch data, there := kept[name]; {
		case !there:
			faults = append(faults, fmt.Errorf("%s/%s is missing: %s", fixtures, name, update))
		case data != written[name]:
			faults = append(faults, fmt.Errorf("%s/%s: what the tree puts on the wire has changed; %s:\n  was %q\n  is  %q", fixtures, name, update, data, written[name]))
		}
	}
	for name := range kept.of(pending) {
		if _, there := written[name]; !there {
			faults = append(faults, fmt.Errorf("%s/%s is no longer written: remove it", fixtures, name))
		}
	}
	return errors.Join(faults...)
}

// A wireProgram is programs/wire, linked with certain versions of the modules.
type wireProgram struct {
	file string
	c    *candidate
}

func (c *candidate) wireProgram(ctx context.Context, commit string, versions map[string]string) (wireProgram, error) {
	files, err := c.program(ctx, commit, "wire")
	if err != nil {
		return wireProgram{}, err
	}
	requires := map[string]string{}
	for _, m := range c.modules() {
		if usedBy(m, files) && versions[m.Path] != "" {
			requires[m.Path] = versions[m.Path]
		}
	}
	dir, err := c.consumer(ctx, "wire", requires, files)
	if err != nil {
		return wireProgram{}, err
	}
	p := wireProgram{filepath.Join(dir, "wire.bin"), c}
	return p, c.build(ctx, dir, []string{"-o", p.file}, ".")
}

// usedBy reports whether any of the files imports a package of m.
func usedBy(m *modproxy.Module, files map[string][]byte) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(files)), func(data []byte) bool {
		return strings.Contains(string(data), `"`+m.Path+`"`) || strings.Contains(string(data), `"`+m.Path+`/`)
	})
}

// write returns what the program puts on the wire, with what it makes of it, under the names of unreleased fixtures.
func (p wireProgram) write(ctx context.Context) (fixtureSet, error) {
	dir, err := p.c.scratch("written")
	if err != nil {
		return nil, err
	}
	if _, err := p.run(ctx, "write", dir); err != nil {
		return nil, err
	}
	set := fixtureSet{}
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		rel = filepath.ToSlash(rel)
		set[path.Join(path.Dir(rel), pending, path.Base(rel))] = string(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Collect(maps.Keys(set)) {
		if set[name+means], err = p.read(ctx, name, set[name]); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// read returns the facts that the program finds in one fixture.
func (p wireProgram) read(ctx context.Context, name, data string) (string, error) {
	dir, err := p.c.scratch("read")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, path.Base(name))
	if err := os.WriteFile(file, []byte(data), 0o666); err != nil {
		return "", err
	}
	module := path.Dir(path.Dir(name))
	return p.run(ctx, "read", module, file)
}

// understands checks that the program finds every fact that is known about each fixture; it may find more.
func (p wireProgram) understands(ctx context.Context, who string, set, facts fixtureSet) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if strings.HasSuffix(name, means) {
			continue
		}
		found, err := p.read(ctx, name, set[name])
		if err != nil {
			faults = append(faults, fmt.Errorf("%s cannot read %s/%s: %w", who, fixtures, name, err))
			continue
		}
		for fact := range strings.Lines(facts[name+means]) {
			if !slices.Contains(strings.SplitAfter(found, "\n"), fact) {
				faults = append(faults, fmt.Errorf("%s reads %s/%s and does not find %q: services of both versions talk to each other, so keep the old name or member beside the new one",
					who, fixtures, name, strings.TrimSpace(fact)))
			}
		}
	}
	return errors.Join(faults...)
}

func (p wireProgram) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.file, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("wire %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
