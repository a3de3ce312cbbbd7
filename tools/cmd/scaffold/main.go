// Command scaffold makes a service from each template outside of the workspace, and takes it through build, test, a run
// and a stop under load. It prints what each step took.
//
//	scaffold [-cold] [-limit 20s] [template …]
//
// The limit is for one template, from "sdk new" to the end of the stopped process. See package scaffold.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/backend-platform/sdk/tools/internal/command"
	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/scaffold"
)

func main() { command.Main(run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("scaffold", flag.ContinueOnError)
	cold := flags.Bool("cold", false, "compile everything anew")
	limit := flags.Duration("limit", 0, "fail when a template takes longer; 0: never")
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
	steps, err := scaffold.Run(ctx, ws, scaffold.Options{Templates: flags.Args(), Cold: *cold, Log: out})
	if err != nil {
		return err
	}
	took := map[string]time.Duration{}
	var order []string
	for _, s := range steps {
		if s.Template != "" && took[s.Template] == 0 {
			order = append(order, s.Template)
		}
		took[s.Template] += s.Took
	}
	for _, template := range order {
		fmt.Fprintf(out, "%s: from nothing to a clean stop in %.1f s\n", template, took[template].Seconds())
		if *limit > 0 && took[template] > *limit {
			err = fmt.Errorf("%s took %.1f s, more than %v", template, took[template].Seconds(), *limit)
		}
	}
	return err
}
