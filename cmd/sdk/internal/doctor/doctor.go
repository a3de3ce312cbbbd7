// Package doctor looks at a service and says what is behind, retracted, replaced or set wrong. It changes nothing.
package doctor

import (
	"context"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

// SDK is the path below which the modules of this SDK lie.
const SDK = "github.com/backend-platform/sdk/"

// A Finding is one thing that was looked at.
type Finding struct {
	// OK is true when there is nothing to do.
	OK bool
	// Text says what was seen.
	Text string
	// Advice is the command or the edit that puts it right; "" when OK.
	Advice string
}

// Examine looks at the service in dir, whose manifest is given. A look that fails is an error, and the others are
// taken all the same.
func Examine(ctx context.Context, run *gocmd.Runner, dir string, m template.Manifest) ([]Finding, []error) {
	var findings []Finding
	var faults []error
	for _, look := range []func() ([]Finding, error){
		func() ([]Finding, error) { return modules(ctx, run, dir) },
		func() ([]Finding, error) { return templateVersion(ctx, run, m) },
		func() ([]Finding, error) { return goFix(ctx, run, dir) },
		func() ([]Finding, error) { return grace(dir) },
	} {
		found, err := look()
		findings = append(findings, found...)
		if err != nil {
			faults = append(faults, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return findings, faults
}
