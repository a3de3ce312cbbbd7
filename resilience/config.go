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

// inField names the field that err is about, in each of its members if it is joined: of an outer config
// where err is an inner one's. It returns nil if err is nil.
func inField(name string, err error) error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	var faults []error
	for _, member := range joined.Unwrap() {
		faults = append(faults, inField(name, member))
	}
	return errors.Join(faults...)
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
