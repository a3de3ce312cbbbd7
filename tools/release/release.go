// Package release makes releases of the modules of this repository, and holds what must be true of them.
//
// A module's version is a tag, such as httpclient/v0.3.1, and a tag can never be taken back: module proxies keep what
// they have seen. So all of a release is made in a temporary clone, is tried there as a service would use it, and moves
// into the repository at the end, at once: the commit and its tags are there, or nothing is. Nothing is pushed.
//
// The order of the steps is not free:
//
//  1. Everything inside a module that a release changes is written first. Changelogs are in the zip, so one that is
//     written after siblings' go.sum files have recorded the zip's hash ends a service's build with SECURITY ERROR.
//  2. From the foundations up, each go.mod is made to require the siblings of this release, is tidied, and the module
//     goes into a file proxy. The go.sum of a module above it then has its real hash, before anything is tagged.
//  3. All of it is one commit. The gates see exactly what that records: the versions of this release, and of modules
//     that are not in it the versions that they have.
//  4. One annotated tag for each module, signed where git is set up for it.
//  5. The tags are read back as the go command reads them, and their hashes compared with those that were recorded.
//
// [Check] runs the same gates on any tree, with its modules at pre-release versions.
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// Run releases opts.Targets: see the package's documentation. After an error or the end of ctx the repository is as it
// was.
func Run(ctx context.Context, opts Options) (err error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	repo := git{dir: opts.Root}
	start, err := inspect(ctx, repo, opts.Targets)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	clone, err := repo.clone(ctx, filepath.Join(temp, "clone"), start.commit)
	if err != nil {
		return err
	}
	c, err := prepare(ctx, clone, temp, opts)
	if err != nil {
		return err
	}
	if err := c.commit(ctx); err != nil {
		return err
	}
	if err := opts.at("committed", clone.dir); err != nil {
		return err
	}
	if err := c.pass(ctx, served); err != nil {
		return err
	}
	if err := c.tag(ctx); err != nil {
		return err
	}
	if err := c.compareTags(ctx); err != nil {
		return err
	}
	if opts.DryRun {
		c.logf("dry run: all of it would be released: %s", strings.Join(tagNames(c.targets), " "))
		return nil
	}
	if err := opts.at("import", clone.dir); err != nil {
		return err
	}
	if err := start.take(ctx, clone, c.targets); err != nil {
		return err
	}
	c.logf("released in this repository; for everybody else:\n  git push --atomic origin %s %s", start.branch, strings.Join(tagNames(c.targets), " "))
	return nil
}

func tagNames(targets []Target) []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.tag()
	}
	return names
}

// prepare writes the release into the clone, step by step, and returns it as a candidate.
func prepare(ctx context.Context, clone git, temp string, opts Options) (*candidate, error) {
	before, err := newCandidate(ctx, clone, filepath.Join(temp, "before"), opts.Log)
	if err != nil {
		return nil, err
	}
	before.targets = slices.Clone(opts.Targets)
	before.sayUncompared()
	if err := before.pass(ctx, committed); err != nil {
		return nil, err
	}
	notes, err := before.moveNotes()
	if err != nil {
		return nil, err
	}
	if err := keepFixtures(clone.dir, opts.Targets); err != nil {
		return nil, err
	}
	c, err := newCandidate(ctx, clone, filepath.Join(temp, "after"), opts.Log)
	if err != nil {
		return nil, err
	}
	c.targets, c.notes, c.tests, c.gorelease = before.targets, notes, !opts.SkipTests, opts.gorelease
	if err := c.serveReleases(ctx); err != nil {
		return nil, err
	}
	for _, m := range c.examined() {
		c.next[m.Path] = filepath.Join(c.temp, "next", filepath.FromSlash(m.Name))
	}
	if err := c.setProxies(ctx, c.proxiesWithout(nil)...); err != nil {
		return nil, err
	}
	for _, m := range c.modules() {
		c.versions[m.Path] = last(c.releases[m.Path])
	}
	for _, m := range c.examined() {
		if err := c.pin(ctx, m); err != nil {
			return nil, err
		}
	}
	if err := opts.at("pinned", clone.dir); err != nil {
		return nil, err
	}
	return c, c.tidyOthers(ctx)
}

// moveNotes moves what is Unreleased in the changelogs of the targets to their versions, and returns what it was.
func (c *candidate) moveNotes() (map[string]changelog, error) {
	notes := map[string]changelog{}
	date := time.Now().UTC().Format(time.DateOnly)
	for _, m := range c.examined() {
		log, err := c.changelog(m)
		if err != nil {
			return nil, err
		}
		notes[m.Name] = log
		if err := os.WriteFile(filepath.Join(m.Dir, "CHANGELOG.md"), []byte(log.release(c.target(m), date)), 0o666); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// pin writes a target's go.mod and go.sum and puts the module into its proxy.
func (c *candidate) pin(ctx context.Context, m *modproxy.Module) error {
	for _, r := range slices.Clone(m.File.Require) {
		sibling := c.ws.Module(r.Mod.Path)
		if sibling == nil {
			continue
		}
		if version := c.target(sibling); version != "" {
			if err := m.File.AddRequire(r.Mod.Path, version); err != nil {
				return err
			}
			continue
		}
		if err := c.tags.add(ctx, r.Mod.Path, r.Mod.Version); err != nil {
			return fmt.Errorf("%s requires a version that services cannot have: put %s into this release: %w", m.Name, sibling.Name, err)
		}
	}
	data, err := m.File.Format()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.Dir, "go.mod"), data, 0o666); err != nil {
		return err
	}
	if err := c.forgetSums(m); err != nil {
		return err
	}
	if _, err := c.goCommand(ctx, m.Dir, "mod", "tidy"); err != nil {
		return fmt.Errorf("tidy %s: %w", m.Name, err)
	}
	if data, err = os.ReadFile(filepath.Join(m.Dir, "go.mod")); err != nil {
		return err
	}
	mod := module.Version{Path: m.Path, Version: c.target(m)}
	sums, err := modproxy.WriteModule(c.next[m.Path], mod, data, func(w io.Writer) error { return c.archive(w, mod, m) })
	if err != nil {
		return fmt.Errorf("zip %s: %w", m.Name, err)
	}
	c.sums = append(c.sums, sums...)
	c.versions[m.Path] = c.target(m)
	c.logf("      %s %s", m.Name, c.target(m))
	return nil
}

// forgetSums removes what a go.sum says of siblings: tidy writes it anew, from the proxy.
func (c *candidate) forgetSums(m *modproxy.Module) error {
	name := filepath.Join(m.Dir, "go.sum")
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(data)) {
		if path, _, _ := strings.Cut(line, " "); !c.ws.Sibling(path) {
			kept.WriteString(line)
		}
	}
	return os.WriteFile(name, []byte(kept.String()), 0o666)
}

// archive zips a module of the clone as the go command zips a tag: with the root's licence where it has none.
func (c *candidate) archive(w io.Writer, mod module.Version, m *modproxy.Module) error {
	licence := filepath.Join(m.Dir, "LICENSE")
	if _, err := os.Stat(licence); errors.Is(err, os.ErrNotExist) {
		data, err := os.ReadFile(filepath.Join(c.root, "LICENSE"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(licence, data, 0o644); err != nil {
			return err
		}
		defer os.Remove(licence)
	}
	return modzip.CreateFromDir(w, mod, m.Dir)
}

// tidyOthers makes the modules that are not released follow, as far as the released ones make them, and go.work.
func (c *candidate) tidyOthers(ctx context.Context) error {
	ws, err := modproxy.Load(c.root)
	if err != nil {
		return err
	}
	ws.Releases = c.ws.Releases
	var others []string
	for _, m := range ws.Modules {
		if c.target(m) == "" {
			others = append(others, m.Name)
		}
	}
	if len(others) == 0 {
		return ws.WriteReplaces()
	}
	return ws.Tidy(ctx, modproxy.TidyOptions{Only: others, Log: io.Discard})
}
