package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// gateStandalone: each module builds and is vetted, tests included, without the workspace and without leave to change
// go.mod: at a release against exactly the versions that it records, so that a sibling's function which is not released
// yet is found here; otherwise against the siblings of the tree. A release runs the tests, too.
func gateStandalone(ctx context.Context, c *candidate) error {
	steps := [][]string{{"build", "-o", os.DevNull}, {"vet"}} // a program must not be left in the tree
	if c.tests {
		steps = append(steps, []string{"test", "-shuffle=on"})
	}
	var faults []error
	for _, m := range c.examined() {
		for _, step := range steps {
			args := slices.Concat(step, []string{"-mod=readonly", "-trimpath", "./..."})
			if _, err := c.goCommand(ctx, c.dir(m), args...); err != nil {
				faults = append(faults, fmt.Errorf("%s does not stand alone with the siblings that its go.mod requires: release those that it needs newer with it: %w", m.Name, err))
				break
			}
		}
	}
	return errors.Join(faults...)
}
