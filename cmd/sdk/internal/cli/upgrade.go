package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
	"github.com/backend-platform/sdk/cmd/sdk/internal/upgrade"
)

const upgradeHelp = `usage: sdk upgrade [-diff] [-to VERSION] [DIR]

Brings the service in DIR (the current folder) to another version of its template. Go files and README are yours and are
not touched. Every other file gets what changed in the template since, merged with what you changed. What you add to a
list of YAML stays apart from what the template adds if it stands below the line "# Yours below".

  a file you deleted            stays deleted
  a file the template deleted   goes, or stays if you changed it
  a file both added             stays yours
  go.mod                        versions are raised, never lowered; then go mod tidy

The service has to be in git with everything committed, so that git diff shows what was done and git checkout undoes it.
When lines conflict, they are marked as git marks them, go mod tidy does not run, and the exit code is 1.

  -diff  write nothing, print what would change
  -to    the version; the newest by default

  sdk upgrade
  sdk upgrade -diff
  sdk upgrade -to v0.3.0 ./services/orders

Exit code: 0, 1 with conflicts, 2 for a failure, which leaves everything as it was.
With -diff: 0 nothing to change, 1 changes, 2 for a failure.
`

func (a *app) upgrade(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("upgrade", flag.ContinueOnError)
	diff := flags.Bool("diff", false, "")
	to := flags.String("to", "latest", "")
	rest, err := parse(flags, args, 1)
	if err != nil {
		return exitFailure, err
	}
	m, dir, err := template.Find(first(rest, "."))
	if err != nil {
		return exitFailure, err
	}
	if _, err := exec.LookPath("git"); err != nil {
		return exitFailure, errors.New("there is no git on the PATH: it merges the files, so install it")
	}
	if !*diff {
		if err := checkClean(ctx, dir); err != nil {
			return exitFailure, err
		}
	}
	plan, next, err := upgrade.Make(ctx, a.run, dir, m, *to)
	if err != nil {
		return exitFailure, err
	}
	if *diff {
		return a.diff(ctx, plan)
	}
	if !plan.Writes() && next.Version == m.Version {
		fmt.Fprintf(a.out, "%s is at %s already\n", m.Name, m.Version)
		return exitOK, nil
	}
	if err := ctx.Err(); err != nil {
		return exitFailure, err
	}
	if err := plan.Apply(dir); err != nil {
		return exitFailure, fmt.Errorf("nothing was changed: %w", err)
	}
	return a.report(plan, m, next), nil
}

func (a *app) report(plan *upgrade.Plan, m, next template.Manifest) int {
	fmt.Fprintf(a.out, "%s: template %s, %s → %s\n", m.Name, template.NameOf(m.Template), m.Version, next.Version)
	for _, c := range plan.Changes {
		line := fmt.Sprintf("  %-24s %s", c.Outcome, c.Name)
		if note := c.Outcome.Note(); note != "" {
			line = a.out.yellow(line + " (" + note + ")")
		}
		fmt.Fprintln(a.out, line)
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		fmt.Fprintf(a.err, "%s in %s: edit what stands between <<<<<<< and >>>>>>>, then go mod tidy && go test ./... and commit\n",
			a.err.red("conflicts"), strings.Join(conflicts, ", "))
		return exitFinding
	}
	fmt.Fprintln(a.out, "\nnext:\n  go fix ./... && go test ./...\n  git add -A && git commit -m 'template "+next.Version+"'")
	return exitOK
}

// diff prints the plan as git does.
func (a *app) diff(ctx context.Context, plan *upgrade.Plan) (int, error) {
	if !plan.Writes() {
		return exitOK, nil
	}
	temp, err := os.MkdirTemp("", "sdk-diff-")
	if err != nil {
		return exitFailure, err
	}
	defer os.RemoveAll(temp)
	for _, c := range plan.Changes {
		for side, data := range map[string][]byte{"a": c.Before, "b": c.After} {
			file := filepath.Join(temp, side, filepath.FromSlash(c.Name))
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				return exitFailure, err
			}
			if data == nil {
				continue
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				return exitFailure, err
			}
		}
	}
	colour := "--color=never"
	if a.out.colour {
		colour = "--color=always"
	}
	cmd := exec.CommandContext(ctx, "git", "diff", "--no-index", "--no-prefix", colour, "a", "b")
	cmd.Dir = temp
	cmd.Stdout, cmd.Stderr = a.out, a.err
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return exitFinding, nil
	}
	return exitFailure, err
}

// checkClean demands a repository without changes in the service's folder.
func checkClean(ctx context.Context, dir string) error {
	if err := inRepository(ctx, dir); err != nil {
		return fmt.Errorf("%s is in no git repository, so there would be no way back: git init && git add -A && git commit, then again", dir)
	}
	out, err := git(ctx, dir, "status", "--porcelain", "--untracked-files=all", "--", ".")
	if err != nil {
		return err
	}
	if len(out) > 0 {
		return fmt.Errorf("the work tree has changes, and nothing was written: git commit or git stash them first (sdk upgrade -diff works all the same)\n%s",
			strings.TrimRight(string(out), "\n"))
	}
	return nil
}

func inRepository(ctx context.Context, dir string) error {
	_, err := git(ctx, dir, "rev-parse", "--is-inside-work-tree")
	return err
}

func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
