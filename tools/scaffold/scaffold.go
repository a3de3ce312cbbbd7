// Package scaffold makes services from the templates as somebody outside of this repository does: with the sdk command,
// through a module proxy, without the workspace. It builds, tests, runs and calls them, and stops them under load.
package scaffold

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// Options say what [Run] does.
type Options struct {
	// Templates are the folders below templates/ to try. Empty: helloservice and helloworker.
	Templates []string
	// Cold compiles everything anew, in a build cache that is thrown away.
	Cold bool
	// Limit is how long one template may take, from "sdk new" to the end of the stopped process, with warm caches. Zero: as
	// long as it takes. Cold ignores it.
	Limit time.Duration
	// Log gets one line a step, and the output of what fails.
	Log io.Writer
}

// run is one call of [Run].
type run struct {
	opts  Options
	stage *modproxy.Stage
	dir   string
	env   []string
	sdk   string
}

// Run publishes the work tree's modules to a proxy of files, builds the sdk command from there, and takes each template
// all the way, and then to a next version of it.
func Run(ctx context.Context, ws *modproxy.Workspace, opts Options) (err error) {
	if len(opts.Templates) == 0 {
		opts.Templates = []string{"helloservice", "helloworker"}
	}
	stage, err := modproxy.NewStage(ctx, ws)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "scaffold-")
	if err != nil {
		return errors.Join(err, stage.Close())
	}
	r := &run{opts: opts, stage: stage, dir: dir, env: stage.Env()}
	defer func() { err = errors.Join(err, stage.Close(), os.RemoveAll(dir)) }()
	// Test caches are off limits (a service's first test has no cached result), and what is compiled is shared with the
	// other steps of CI by -trimpath.
	r.env = append(r.env, "GOFLAGS=-trimpath -modcacherw -buildvcs=false", "GOTOOLCHAIN=local")
	if opts.Cold {
		r.env = append(r.env, "GOCACHE="+filepath.Join(dir, "gocache"))
	}
	return r.all(ctx, ws)
}

func (r *run) all(ctx context.Context, ws *modproxy.Workspace) error {
	err := r.step("", "publish modules", func() error {
		for _, m := range ws.Modules {
			if m.Extra || m.Name == "examples" {
				continue
			}
			if err := r.stage.Copy(m); err != nil {
				return err
			}
			if strings.HasPrefix(m.Name, "templates/") { // as a release does: a staged go.sum has a line for every sibling
				if out, err := r.stage.Run(ctx, m, "mod", "tidy"); err != nil {
					return fmt.Errorf("%w\n%s", err, out)
				}
			}
			if err := r.stage.Publish(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	command := ws.Module("cmd/sdk")
	if command == nil {
		return errors.New("there is no module cmd/sdk")
	}
	r.sdk = filepath.Join(r.dir, "sdk"+exe())
	if err := r.step("", "build sdk", func() error {
		return r.command(ctx, r.stage.Dir(command), "go", "build", "-mod=readonly", "-o", r.sdk, ".")
	}); err != nil {
		return err
	}
	for _, template := range r.opts.Templates {
		if err := r.timed(ctx, template); err != nil {
			return fmt.Errorf("%s: %w", template, err)
		}
	}
	// Only now: the services above are of the versions that are the newest until here.
	for _, template := range r.opts.Templates {
		if err := r.step("", "sdk upgrade of "+template, func() error {
			m := ws.Module("templates/" + template)
			if m == nil {
				return errors.New("there is no such template")
			}
			if err := r.releaseNext(ctx, ws, template); err != nil {
				return fmt.Errorf("release the next version: %w", err)
			}
			return r.upgrade(ctx, template, r.stage.Version(m))
		}); err != nil {
			return err
		}
	}
	return nil
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// aim is how long a template shall take with warm caches.
const aim = 20 * time.Second

// passes is how often a template is taken all the way until it has kept to the limit. The first pass compiles the SDK, which
// no cache can have at a new commit; and another process of the machine may slow one down.
const passes = 3

// timed takes a template all the way, again if that took longer than the limit, and demands that one pass has kept to it.
func (r *run) timed(ctx context.Context, template string) error {
	var all []string
	for pass := range passes {
		began := time.Now()
		if err := r.template(ctx, template, filepath.Join(r.dir, fmt.Sprintf("pass-%d", pass+1))); err != nil {
			return err
		}
		took := time.Since(began)
		all = append(all, fmt.Sprintf("%.1f s", took.Seconds()))
		if r.opts.Cold || r.opts.Limit <= 0 || took <= r.opts.Limit {
			fmt.Fprintf(r.opts.Log, "%s: from nothing to a clean stop in %s; with warm caches %v is the aim\n", template, strings.Join(all, ", then "), aim)
			return nil
		}
	}
	return fmt.Errorf("from nothing to a clean stop in %s, which is never within %v", strings.Join(all, ", then "), r.opts.Limit)
}

// template takes one from nothing to a clean stop, below dir. The module's path has the name of dir in it,
// so that no result of a test is cached.
func (r *run) template(ctx context.Context, template, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	service := filepath.Join(dir, "made-"+template)
	binary := filepath.Join(service, "bin", "service"+exe())
	steps := []struct {
		name string
		do   func() error
	}{
		{"sdk new", func() error {
			return r.command(ctx, dir, r.sdk, "new", "-template", template, "github.com/acme/"+filepath.Base(dir)+"/made-"+template)
		}},
		{"tidy, format", func() error { return r.clean(ctx, service) }},
		{"go build", func() error { return r.command(ctx, service, "go", "build", "-mod=readonly", "-o", binary, ".") }},
		{"go test", func() error { return r.command(ctx, service, "go", "test", "-mod=readonly", "./...") }},
		{"run, call, stop", func() error {
			if template == "helloworker" {
				return r.useWorker(ctx, service, binary)
			}
			return r.useService(ctx, service, binary)
		}},
	}
	for _, s := range steps {
		if err := r.step(template, s.name, s.do); err != nil {
			return err
		}
	}
	return nil
}

// clean finds what a first commit should not begin with.
func (r *run) clean(ctx context.Context, service string) error {
	if err := r.command(ctx, service, "go", "mod", "tidy", "-diff"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "gofmt", "-l", ".")
	cmd.Dir = service
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Errorf("gofmt -l: %w %s", err, out)
	}
	return nil
}

func (r *run) step(template, name string, do func() error) error {
	begin := time.Now()
	err := do()
	took := time.Since(begin)
	verdict := "ok  "
	if err != nil {
		verdict = "FAIL"
		err = fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(r.opts.Log, "%s  %-14s %-16s %5.1fs\n", verdict, template, name, took.Seconds())
	return err
}

func (r *run) command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return nil
}
