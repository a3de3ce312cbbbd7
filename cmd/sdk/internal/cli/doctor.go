package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/backend-platform/sdk/cmd/sdk/internal/doctor"
	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

const doctorHelp = `usage: sdk doctor [DIR]

Looks at the service in DIR (the current folder) and changes nothing:

  modules of the SDK in go.mod that are behind, retracted, deprecated or replaced
  the version of the template that the service's files are at
  code that go fix would change, such as calls of deprecated functions
  grace periods in YAML files that are shorter than the service's own time to stop

Each finding has the command or the edit that puts it right.

  sdk doctor
  sdk doctor ./services/orders

Exit code: 0 nothing to do, 1 findings, 2 something could not be looked at.
`

func (a *app) doctor(ctx context.Context, args []string) (int, error) {
	rest, err := parse(flag.NewFlagSet("doctor", flag.ContinueOnError), args, 1)
	if err != nil {
		return exitFailure, err
	}
	m, dir, err := template.Find(first(rest, "."))
	if err != nil {
		return exitFailure, err
	}
	findings, faults := doctor.Examine(ctx, a.run, dir, m)
	open := 0
	for _, f := range findings {
		if f.OK {
			fmt.Fprintf(a.out, "%s %s\n", a.out.green("ok  "), f.Text)
			continue
		}
		open++
		fmt.Fprintf(a.out, "%s %s\n       %s\n", a.out.yellow("look"), f.Text, f.Advice)
	}
	switch {
	case len(faults) > 0:
		return exitFailure, errors.Join(faults...)
	case open > 0:
		return exitFinding, nil
	}
	return exitOK, nil
}

func first(args []string, byDefault string) string {
	if len(args) == 0 {
		return byDefault
	}
	return args[0]
}
