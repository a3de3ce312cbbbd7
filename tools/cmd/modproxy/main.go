// Command modproxy tidies and tests the modules of this repository as though their siblings had been released.
//
//	modproxy tidy [-check] [-e] [module …]
//	modproxy test [module …]
//
// A module is named by its folder; without names all are meant. See the package modproxy for how it works.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
)

func main() { command.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: modproxy tidy|test [flags] [module …]")
	}
	root, err := modproxy.FindRoot(".")
	if err != nil {
		return err
	}
	ws, err := modproxy.Load(root)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("modproxy "+args[0], flag.ContinueOnError)
	switch args[0] {
	case "tidy":
		check := flags.Bool("check", false, "write nothing; fail when a file is not tidy")
		keepGoing := flags.Bool("e", false, "pass over imports that nothing provides")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return ws.Tidy(ctx, modproxy.TidyOptions{Only: flags.Args(), Check: *check, KeepGoing: *keepGoing, Log: out})
	case "test":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return ws.TestStandalone(ctx, modproxy.TestOptions{Only: flags.Args(), Log: out})
	}
	return fmt.Errorf("unknown command %q: tidy or test", args[0])
}
