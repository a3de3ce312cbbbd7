package release

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/backend-platform/sdk/tools/repocheck"
)

// gateBudget: no module links more than its list says; see [repocheck.Budget].
func gateBudget(ctx context.Context, c *candidate) error {
	repo, err := repocheck.Open(c.root)
	if err != nil {
		return err
	}
	found, err := repocheck.Budget(ctx, repo, filepath.Join(c.root, "tools", "repocheck", "testdata", "budget"), false)
	faults := []error{err}
	for _, fault := range found {
		faults = append(faults, errors.New(fault.String()))
	}
	return errors.Join(faults...)
}
