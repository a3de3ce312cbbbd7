package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
)

// A candidate is what the gates look at: a tree, and the proxies that serve it and all releases. At a release each
// module has the version that it will have, or the one that it has; on every other change the proxy has the work
// tree's modules at pre-release versions.
type candidate struct {
	root     string // the tree
	git      git
	ws       *modproxy.Workspace
	releases map[string][]string // tagged before this candidate, by path
	targets  []Target            // what is being released; empty: a check of the tree

	notes map[string]changelog // by module name, as they were before the release moved them

	temp     string
	stage    *modproxy.Stage // of a check
	tags     *tagProxy
	next     map[string]string // of a release: a proxy for each target, by path
	env      []string
	versions map[string]string // what services get of each module, by path; "" before its first release
	sums     []string          // of everything that the proxies have
	log      io.Writer
	// gorelease is the program; "" is the one that tools/go.mod names.
	gorelease string
	tests     bool // run the tests of what is released
}

// newCandidate reads the tree and its tags. temp is a folder for what it needs, which the caller removes.
func newCandidate(ctx context.Context, g git, temp string, log io.Writer) (*candidate, error) {
	ws, err := modproxy.Load(g.dir)
	if err != nil {
		return nil, err
	}
	if ws.Circle != nil {
		return nil, ws.Circle
	}
	c := &candidate{root: g.dir, git: g, ws: ws, temp: temp, next: map[string]string{}, versions: map[string]string{}, log: log}
	if c.releases, err = releasesOf(ctx, g, ws); err != nil {
		return nil, err
	}
	ws.Releases = map[string]string{}
	for path, versions := range c.releases {
		ws.Releases[path] = last(versions)
	}
	c.tags = newTagProxy(g, filepath.Join(temp, "tags"), ws)
	return c, os.MkdirAll(c.tags.dir, 0o777)
}

// serveReleases puts the newest and the oldest supported release of each module into the proxy of tags.
func (c *candidate) serveReleases(ctx context.Context) error {
	for _, m := range c.modules() {
		for _, version := range []string{last(c.releases[m.Path]), c.oldest(m)} {
			if version == "" {
				continue
			}
			if err := c.tags.add(ctx, m.Path, version); err != nil {
				return err
			}
		}
	}
	return nil
}

// serveTree makes the work tree's modules what services get.
func (c *candidate) serveTree(ctx context.Context) error {
	stage, err := modproxy.NewStage(ctx, c.ws)
	if err != nil {
		return err
	}
	c.stage = stage
	for _, m := range c.ws.Modules {
		if m.Extra {
			continue
		}
		if err := errors.Join(stage.Copy(m), stage.Publish(m)); err != nil {
			return err
		}
		c.versions[m.Path] = stage.Version(m)
	}
	c.sums = append(stage.Sums(), c.tags.lines()...)
	return c.setProxies(ctx, stage.Proxy(), c.tags.dir)
}

func (c *candidate) setProxies(ctx context.Context, dirs ...string) (err error) {
	c.env, err = modproxy.Environment(ctx, c.temp, dirs...)
	return err
}

// proxiesWithout are the proxies of a release but that of one target.
func (c *candidate) proxiesWithout(m *modproxy.Module) []string {
	var dirs []string
	for _, other := range c.examined() {
		if other != m {
			dirs = append(dirs, c.next[other.Path])
		}
	}
	return append(dirs, c.tags.dir)
}

func (c *candidate) close() error {
	if c.stage == nil {
		return nil
	}
	return c.stage.Close()
}

// modules are those that get versions.
func (c *candidate) modules() []*modproxy.Module {
	return slices.DeleteFunc(slices.Clone(c.ws.Modules), func(m *modproxy.Module) bool { return !tagged(m) })
}

// examined are the modules that a gate about a module's content looks at: those of the release, or all.
func (c *candidate) examined() []*modproxy.Module {
	return slices.DeleteFunc(c.modules(), func(m *modproxy.Module) bool { return len(c.targets) > 0 && c.target(m) == "" })
}

// target is the version that m gets in this release, or "".
func (c *candidate) target(m *modproxy.Module) string {
	for _, t := range c.targets {
		if t.Name == m.Name {
			return t.Version
		}
	}
	return ""
}

// oldest is the oldest supported release of m, or "".
func (c *candidate) oldest(m *modproxy.Module) string {
	return oldestSupported(c.releases[m.Path], m.File.Retract)
}

// sayUncompared names the modules of which gates cannot say whether they still keep what a release has promised.
func (c *candidate) sayUncompared() {
	var names []string
	for _, m := range c.examined() {
		if len(c.releases[m.Path]) == 0 {
			names = append(names, m.Name)
		}
	}
	if len(names) > 0 {
		c.logf("note  no release yet, so that defaults, api, diamond and wire have nothing to compare with: %s", strings.Join(names, ", "))
	}
}

// dir is the folder in which m is built as services would get it.
func (c *candidate) dir(m *modproxy.Module) string {
	if c.stage != nil {
		return c.stage.Dir(m)
	}
	return m.Dir
}

// changelog is that of m, with what is or was under Unreleased.
func (c *candidate) changelog(m *modproxy.Module) (changelog, error) {
	if notes, ok := c.notes[m.Name]; ok {
		return notes, nil
	}
	name := m.Name + "/CHANGELOG.md"
	data, err := os.ReadFile(filepath.Join(m.Dir, "CHANGELOG.md"))
	if err != nil {
		return changelog{}, fmt.Errorf("%s: every module has one: %w", name, err)
	}
	return parseChangelog(name, string(data))
}

// goCommand runs the go command outside of the workspace.
func (c *candidate) goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, c.env
	command.Apart(cmd, syscall.SIGKILL)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (c *candidate) logf(format string, args ...any) { fmt.Fprintf(c.log, format+"\n", args...) }

// scratch makes a folder for a gate.
func (c *candidate) scratch(name string) (string, error) { return os.MkdirTemp(c.temp, name+"-") }
