// Command release makes releases of the modules of this repository, and checks that they could be made.
//
//	release [-dry-run] [-skip-tests] httpclient=v0.3.0 errors=v0.2.1 …
//	release -check
//	release -wire
//
// A module is named by its folder. The first form writes changelogs, go.mod and go.sum files, makes one commit and one
// tag for each module, and prints the command that pushes them; with -dry-run it does so in a temporary clone only.
// -check runs the gates on the tree as it is. -wire rewrites the fixtures of what the tree puts on the wire. See the
// package release for how it works.
package main

import (
	"context"
	"errors"
	"flag"
	"io"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/release"
)

func main() { command.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	root, err := modproxy.FindRoot(".")
	if err != nil {
		return err
	}
	opts := release.Options{Root: root, Log: out}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.BoolVar(&opts.DryRun, "dry-run", false, "do everything in a temporary clone, and change nothing here")
	flags.BoolVar(&opts.SkipTests, "skip-tests", false, "build and vet, but do not test again what has passed at this commit")
	check := flags.Bool("check", false, "run the gates on the tree, and release nothing")
	wire := flags.Bool("wire", false, "rewrite the fixtures of what the tree puts on the wire")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if (*check || *wire) && flags.NArg() > 0 {
		return errors.New("-check and -wire look at all modules: name none")
	}
	switch {
	case *check:
		return release.Check(ctx, opts)
	case *wire:
		return release.UpdateWire(ctx, opts)
	}
	if opts.Targets, err = release.ParseTargets(flags.Args()); err != nil {
		return err
	}
	return release.Run(ctx, opts)
}
