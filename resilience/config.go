package resilience

import (
	"fmt"

	"github.com/backend-platform/sdk/errors"
)

// orDefault returns v, or def where v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// inField names the field of an outer config that the faults of an inner one are in.
func inField(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// fault is what New… returns: nil, or all that is wrong with the name and the config.
func fault(kind, name string, err error) error {
	if name == "" {
		err = errors.Join(errors.New("name: is empty"), err)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("configure %s %q: %w", kind, name, err)
}
