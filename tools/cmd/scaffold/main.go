// Command scaffold makes a service from each template outside of the workspace, and takes it through build, test, a run
// and a stop under load, and then to a next version of its template. It prints what each step took.
//
//	scaffold [-cold] [-limit 40s] [template …]
//
// The limit is for one template, from "sdk new" to the end of the stopped process, with warm caches. See package scaffold.
package main

import (
	"context"
	"flag"
	"io"
	"time"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/scaffold"
)

// defaultLimit is twice the aim: the machine that checks a change may have other work, and a check that fails by chance is
// soon believed by nobody.
const defaultLimit = 40 * time.Second

func main() { command.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("scaffold", flag.ContinueOnError)
	cold := flags.Bool("cold", false, "compile everything anew")
	limit := flags.Duration("limit", defaultLimit, "fail when a template takes longer with warm caches; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := modproxy.FindRoot(".")
	if err != nil {
		return err
	}
	ws, err := modproxy.Load(root)
	if err != nil {
		return err
	}
	return scaffold.Run(ctx, ws, scaffold.Options{Templates: flags.Args(), Cold: *cold, Limit: *limit, Log: out})
}
