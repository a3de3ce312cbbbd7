package release

import (
	"context"
	"errors"
	"fmt"
	"go/types"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
)

// gateAPI compares the exported names of each module with those of its last release. In v0 a patch may not break them,
// and a minor version may, with a heading "### Migration" in its changelog; from v1 on gorelease decides. What lies in
// internal only grows, because modules of different versions meet in one service.
func gateAPI(ctx context.Context, c *candidate) error {
	var faults []error
	for _, m := range c.examined() {
		if err := c.compareAPI(ctx, m); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (c *candidate) compareAPI(ctx context.Context, m *modproxy.Module) error {
	now, err := c.load(c.dir(m), "-mod=readonly", m)
	if err != nil {
		return err
	}
	base := last(c.releases[m.Path])
	if base == "" {
		return nil // it loads: there is nothing to compare it with
	}
	dir, err := c.consumer(ctx, "api", map[string]string{m.Path: base}, map[string][]byte{"doc.go": []byte("// Package api is empty.\npackage api\n")})
	if err != nil {
		return err
	}
	before, err := c.load(dir, "-mod=mod", m)
	if err != nil {
		return fmt.Errorf("%s %s: %w", m.Name, base, err)
	}
	var broken []string
	for _, change := range apidiff.ModuleChanges(before, now).Changes {
		if !change.Compatible {
			broken = append(broken, change.Message)
		}
	}
	version := c.target(m)
	if semver.Major(base) != "v0" && version != "" {
		return c.runGorelease(ctx, m, base, version)
	}
	if len(broken) == 0 {
		return nil
	}
	return c.judge(m, base, version, "\n  "+strings.Join(broken, "\n  "))
}

// judge decides about a break of the API since base. version is "" when nothing is being released.
func (c *candidate) judge(m *modproxy.Module, base, version, list string) error {
	notes, err := c.changelog(m)
	if err != nil {
		return err
	}
	switch {
	case strings.Contains("/"+m.Path+"/", "/internal/"):
		return fmt.Errorf("%s breaks what %s had, and modules of other versions use it in the same service: keep it:%s", m.Name, base, list)
	case version != "" && semver.MajorMinor(version) == semver.MajorMinor(base):
		return fmt.Errorf("%s %s is a patch and breaks the API of %s: make it %s, or keep the old names as // Deprecated:%s",
			m.Name, version, base, following(base)[1], list)
	case semver.Major(base) != "v0":
		return fmt.Errorf("%s breaks the API of %s, which only a new major version may:%s", m.Name, base, list)
	case !notes.has("Migration"):
		return fmt.Errorf("%s breaks the API of %s: say under %q in %s/CHANGELOG.md what a service has to do:%s", m.Name, base, "### Migration", m.Name, list)
	}
	return nil
}

// load reads the exported API of a module's packages. Packages in internal folders of the module are nobody's API, and
// neither are programs.
func (c *candidate) load(dir, mode string, m *modproxy.Module) (*apidiff.Module, error) {
	found, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes, Dir: dir, Env: c.env, BuildFlags: []string{mode, "-trimpath"},
	}, m.Path+"/...")
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, err)
	}
	var all []*types.Package
	for _, p := range found {
		for _, fault := range p.Errors {
			return nil, fmt.Errorf("load %s: %w", p.PkgPath, fault)
		}
		hidden := strings.Contains(strings.TrimPrefix(p.PkgPath, m.Path)+"/", "/internal/")
		if !hidden && p.Name != "main" && p.Types != nil {
			all = append(all, p.Types)
		}
	}
	return &apidiff.Module{Path: m.Path, Packages: all}, nil
}

// gorelease knows the rules from v1 on, and what else belongs to a release. It comes with this module's go.mod.
func (c *candidate) runGorelease(ctx context.Context, m *modproxy.Module, base, version string) error {
	program := c.gorelease
	if program == "" {
		find := exec.CommandContext(ctx, "go", "tool", "-n", "gorelease")
		find.Env = append(find.Environ(), "GOWORK=off")
		name, err := find.Output()
		if err != nil {
			return fmt.Errorf("find gorelease, which tools/go.mod names: %w", err)
		}
		program = strings.TrimSpace(string(name))
	}
	cmd := exec.CommandContext(ctx, program, "-base="+base, "-version="+version)
	cmd.Dir = m.Dir
	command.Apart(cmd, syscall.SIGKILL)
	// It refuses a version that a proxy has already.
	var err error
	if cmd.Env, err = modproxy.Environment(ctx, c.temp, c.proxiesWithout(m)...); err != nil {
		return err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("gorelease on %s: %w\n%s", m.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
