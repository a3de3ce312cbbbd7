package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// gateGoSum: what a go.sum says about a sibling is true of the tag. A file of a module that was changed after the
// siblings had recorded its hash, such as a changelog, ends a service's build with SECURITY ERROR.
func gateGoSum(ctx context.Context, c *candidate) error {
	var faults []error
	for _, m := range c.ws.Modules {
		data, _ := os.ReadFile(filepath.Join(m.Dir, "go.sum")) // a module without dependencies has none
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) != 3 || !c.ws.Sibling(fields[0]) {
				continue
			}
			if err := c.checkSum(ctx, fields[0], fields[1], strings.TrimSpace(line)); err != nil {
				faults = append(faults, fmt.Errorf("%s/go.sum: %w", m.Name, err))
			}
		}
	}
	return errors.Join(faults...)
}

func (c *candidate) checkSum(ctx context.Context, path, version, line string) error {
	version = strings.TrimSuffix(version, "/go.mod")
	known := func() bool { return slices.Contains(c.sums, line) || slices.Contains(c.tags.lines(), line) }
	if known() {
		return nil
	}
	if m := c.ws.Module(path); c.target(m) == version {
		return fmt.Errorf("%q is not the hash of what %s/%s will have: something in the module was changed after it had been recorded", line, m.Name, version)
	}
	if !slices.Contains(c.releases[path], version) {
		return fmt.Errorf("%q is about a version that is not released: remove the line, a release writes it", line)
	}
	if err := c.tags.add(ctx, path, version); err != nil {
		return err
	}
	if !known() {
		return fmt.Errorf("%q is not the hash of the tag: a file of the module, its changelog perhaps, was changed after siblings had recorded it. "+
			"If the tag is not pushed yet, remove it and release again; if it is, retract %s and release a patch", line, semver.Canonical(version))
	}
	return nil
}
