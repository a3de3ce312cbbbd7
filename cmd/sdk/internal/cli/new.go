package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

var newHelp = `usage: sdk new [-template NAME[@VERSION]] [-name NAME] MODULE [DIR]

Makes a service with module path MODULE in DIR (a folder in the current one, with the service's name). DIR must be new,
empty, or the clone of an empty repository. In a Go workspace the service is added to go.work.

  -template  ` + knownTemplates() + `
             or the module path of a template of your own; a version may follow, @latest is the newest
  -name      the service's name, a DNS label; the last element of MODULE by default

  sdk new github.com/acme/orders
  sdk new -template helloworker github.com/acme/billing
  sdk new -name order-intake github.com/acme/shop/intake services/intake

Nothing is left behind when it fails. Exit code: 0, or 2 for a failure.
`

func knownTemplates() string {
	var lines []string
	for _, known := range template.Known {
		lines = append(lines, fmt.Sprintf("%-13s %s", known.Name, known.Purpose))
	}
	return strings.Join(lines, "\n             ")
}

func (a *app) new(ctx context.Context, args []string) (int, error) {
	flags := flag.NewFlagSet("new", flag.ContinueOnError)
	from := flags.String("template", template.Known[0].Name, "")
	name := flags.String("name", "", "")
	rest, err := parse(flags, args, 2)
	if err != nil {
		return exitFailure, err
	}
	if len(rest) == 0 {
		return exitFailure, &usageError{"the module path is missing, such as github.com/acme/orders"}
	}
	ref, err := template.ParseRef(*from)
	if err != nil {
		return exitFailure, err
	}
	m := template.Manifest{Template: ref.Path, Module: rest[0], Name: *name}
	if err := template.CheckModule(m.Module); err != nil {
		return exitFailure, err
	}
	if m.Name == "" {
		m.Name = template.NameOf(m.Module)
	}
	if err := template.CheckName(m.Name); err != nil {
		return exitFailure, err
	}
	dir, err := filepath.Abs(first(rest[1:], m.Name))
	if err != nil {
		return exitFailure, err
	}
	if err := a.create(ctx, ref, m, dir); err != nil {
		return exitFailure, err
	}
	return exitOK, nil
}

func (a *app) create(ctx context.Context, ref template.Ref, m template.Manifest, dir string) (err error) {
	if err := template.CheckTarget(dir); err != nil {
		return err
	}
	fetched, err := a.run.Download(ctx, ref.Path, ref.Query)
	if err != nil {
		return unknownTemplate(ref, err)
	}
	m.Version = fetched.Version
	files, err := template.Render(fetched.Dir, m)
	if err != nil {
		return err
	}
	stage, err := template.Stage(files, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	// It downloads what the service needs, and fails when go.mod or go.sum lacks a line.
	if _, err := a.run.Run(ctx, stage, []string{"GOWORK=off"}, "list", "-mod=readonly", "-deps", "-test", "-f", "{{.Name}}", "./..."); err != nil {
		return fmt.Errorf("nothing was written, because the service's dependencies cannot be loaded: %w", err)
	}
	if err := template.Land(stage, dir); err != nil {
		return err
	}
	if err := a.joinWorkspace(ctx, dir, files); err != nil {
		return err
	}
	a.welcome(ctx, m, dir)
	return nil
}

// unknownTemplate adds what templates there are, when the one that was asked for is not.
func unknownTemplate(ref template.Ref, err error) error {
	if fetch, ok := errors.AsType[*gocmd.FetchError](err); ok && !fetch.Unreachable && !fetch.OldGo {
		return fmt.Errorf("unknown template %s: %w\nThere are:\n             %s", ref.Name(), err, knownTemplates())
	}
	return err
}

// joinWorkspace adds the service to the go.work around it; without that no go command would work in the new folder. When it
// cannot, the service is taken away again.
func (a *app) joinWorkspace(ctx context.Context, dir string, files template.Files) error {
	env, err := a.run.Env(ctx, filepath.Dir(dir), "GOWORK")
	if err != nil || env["GOWORK"] == "" || env["GOWORK"] == "off" {
		return err
	}
	work := env["GOWORK"]
	before, err := os.ReadFile(work)
	if err != nil {
		return err
	}
	use := dir // absolute where the go.work is somewhere else
	if rel, err := filepath.Rel(filepath.Dir(work), dir); err == nil && filepath.IsLocal(rel) {
		use = "./" + filepath.ToSlash(rel)
	}
	if _, err := a.run.Run(ctx, filepath.Dir(work), nil, "work", "use", use); err != nil {
		return errors.Join(fmt.Errorf("nothing was written, because the service cannot be added to %s (GOWORK=off sdk new … leaves it alone): %w", work, err),
			os.WriteFile(work, before, 0o644), removeService(dir, files))
	}
	fmt.Fprintf(a.out, "added to %s\n", work)
	return nil
}

// removeService leaves nothing of the service but a .git that was there before it.
func removeService(dir string, files template.Files) error {
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return os.RemoveAll(dir)
	}
	var faults []error
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		faults = append(faults, os.RemoveAll(filepath.Join(dir, top)))
	}
	return errors.Join(faults...)
}

func (a *app) welcome(ctx context.Context, m template.Manifest, dir string) {
	show := dir
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, dir); err == nil && !strings.HasPrefix(rel, "..") {
			show = rel
		}
	}
	fmt.Fprintf(a.out, "%s %s from %s %s in %s\n\nnext:\n", a.out.green("made"), a.out.bold(m.Name), template.NameOf(m.Template), m.Version, show)
	fmt.Fprintf(a.out, "  cd %s\n", show)
	if inRepository(ctx, dir) != nil {
		// upgrade needs a commit to compare with.
		fmt.Fprintf(a.out, "  git init && git add -A && git commit -m 'made by sdk new'\n")
	} else {
		fmt.Fprintf(a.out, "  git add -A && git commit -m 'made by sdk new'\n")
	}
	fmt.Fprintf(a.out, "  go test ./...\n  go run .\n")
}
