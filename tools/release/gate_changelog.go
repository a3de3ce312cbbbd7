package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// gateChangelog: a module's changelog can be read, knows each release, and says what a release is about.
func gateChangelog(_ context.Context, c *candidate) error {
	var faults []error
	for _, m := range c.examined() {
		notes, err := c.changelog(m)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if c.target(m) != "" && notes.unreleased == "" {
			faults = append(faults, fmt.Errorf("%s/CHANGELOG.md: nothing under %s: say what %s changes for a service", m.Name, unreleased, c.target(m)))
		}
		for _, version := range c.releases[m.Path] {
			if !slices.Contains(notes.versions, version) {
				faults = append(faults, fmt.Errorf("%s/CHANGELOG.md: no heading for %s, which is released", m.Name, version))
			}
		}
		for _, version := range notes.versions {
			if !slices.Contains(c.releases[m.Path], version) {
				faults = append(faults, fmt.Errorf("%s/CHANGELOG.md: a heading for %s, and no tag %s/%s: a clone without tags has nothing to compare with (git fetch --tags), and headings are written by releases alone",
					m.Name, version, m.Name, version))
			}
		}
	}
	return errors.Join(faults...)
}
