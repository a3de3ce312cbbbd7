package release

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/semver"

	"github.com/backend-platform/sdk/tools/repocheck"
)

// gateGoMod: no go.mod has a replace or a toolchain line, and go.work matches them all.
func gateGoMod(_ context.Context, c *candidate) error {
	repo, err := repocheck.Open(c.root)
	if err != nil {
		return err
	}
	found, err := repocheck.GoMods(repo)
	faults := []error{err}
	for _, fault := range found {
		faults = append(faults, errors.New(fault.String()))
	}
	return errors.Join(faults...)
}

// gateRequires: a go.mod requires of a sibling what is released, or, before the sibling's first release, its first
// version. Anything else could not be fetched by a service.
func gateRequires(_ context.Context, c *candidate) error {
	var faults []error
	for _, m := range c.modules() {
		for _, r := range m.File.Require {
			newest := c.ws.Releases[r.Mod.Path]
			if c.ws.Sibling(r.Mod.Path) && newest != "" && semver.Compare(r.Mod.Version, newest) > 0 {
				faults = append(faults, fmt.Errorf("%s/go.mod:%d: requires %s, but %s is the newest release: a release writes that line, nobody else",
					m.Name, r.Syntax.Start.Line, r.Mod, newest))
			}
		}
	}
	return errors.Join(faults...)
}

// gateTidy: go.mod and go.sum are complete, so that a service can build each module; see [modproxy.Workspace.Tidy].
func gateTidy(ctx context.Context, c *candidate) error {
	return c.ws.Tidy(ctx, tidyCheck(c.log))
}
