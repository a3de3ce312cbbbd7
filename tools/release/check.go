package release

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// Options say what [Run], [Check] and [UpdateWire] do.
type Options struct {
	// Root is the repository's root.
	Root string
	// Targets are the modules to release, with their versions. [Check] looks at the tree and takes none.
	Targets []Target
	// DryRun does everything in the temporary clone, and nothing in the repository.
	DryRun bool
	// SkipTests leaves the tests of the released modules out, for a commit whose tests have passed: they are built and
	// vetted against the versions that the release records all the same.
	SkipTests bool
	// Log gets a line for each step. Nil: they are dropped.
	Log io.Writer

	// between is called at a step of a release with the clone's folder, by tests.
	between func(step, dir string) error
	// gorelease is the program, where tests have no module cache to build it from.
	gorelease string
}

func (o *Options) at(step, dir string) error {
	if o.between == nil {
		return nil
	}
	return o.between(step, dir)
}

// Check runs the gates over the tree as it is, committed or not, against its last releases. Before the first release
// of a module the gates that compare find nothing to compare it with, which the log says, and look at it all the same:
// it is loaded, built, run and asked.
func Check(ctx context.Context, opts Options) error {
	return withCandidate(ctx, opts, func(c *candidate) error {
		c.sayUncompared()
		return errors.Join(c.pass(ctx, committed), c.pass(ctx, served[1:])) // go.sum is in both
	})
}

func tidyCheck(log io.Writer) modproxy.TidyOptions {
	return modproxy.TidyOptions{Check: true, Log: log}
}

// withCandidate serves the tree and its releases while use runs.
func withCandidate(ctx context.Context, opts Options, use func(*candidate) error) (err error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	temp, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	c, err := newCandidate(ctx, git{dir: opts.Root}, temp, opts.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.serveReleases(ctx); err != nil {
		return err
	}
	if err := c.serveTree(ctx); err != nil {
		return err
	}
	c.gorelease = opts.gorelease
	return use(c)
}
