package modproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// TestOptions say what [Workspace.TestStandalone] does. The zero value tests every module.
type TestOptions struct {
	// Only names the modules (folders) to test; empty means all but the Extra ones.
	Only []string
	// Log gets a line for each step, and the output of a failed one. Nil: they are dropped.
	Log io.Writer
}

// TestStandalone builds, vets and tests each module without the workspace, against its siblings as they are in the
// work tree, served through the proxy. It finds what the workspace hides: a require or a go.sum line that is missing.
func (ws *Workspace) TestStandalone(ctx context.Context, opts TestOptions) error {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if err := ws.known(opts.Only); err != nil {
		return err
	}
	stage, err := NewStage(ctx, ws)
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range ws.Modules {
		if err := errors.Join(stage.Copy(m), stage.Publish(m)); err != nil {
			return errors.Join(err, stage.Close())
		}
		if !ws.chosen(m, opts.Only) || m.Extra && len(opts.Only) == 0 {
			continue
		}
		if err := testModule(ctx, stage, m, opts.Log); err != nil {
			faults = append(faults, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errors.Join(faults...), stage.Close())
}

func testModule(ctx context.Context, stage *Stage, m *Module, log io.Writer) error {
	for _, step := range []string{"build", "vet", "test"} {
		start := time.Now()
		// -mod=readonly on the command line wins over a -mod=mod in the user's GOFLAGS, which would repair a missing
		// line. -trimpath lets the build cache serve what an earlier run compiled from another temporary folder.
		args := []string{step, "-mod=readonly", "-trimpath", "./..."}
		if step == "test" {
			args = slices.Insert(args, 1, "-shuffle=on")
		}
		out, err := stage.Run(ctx, m, args...)
		if err != nil {
			fmt.Fprintf(log, "FAIL  %-12s %-5s %5.1fs\n%s", m.Name, step, time.Since(start).Seconds(), out)
			return err
		}
		fmt.Fprintf(log, "ok    %-12s %-5s %5.1fs\n", m.Name, step, time.Since(start).Seconds())
	}
	return nil
}
