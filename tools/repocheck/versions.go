package repocheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// Versions returns each dependency that a module is built or tested with at one version inside the workspace and at
// another one outside, where services are. The workspace selects the newest version that any member asks for: a
// require that is too old is invisible in it.
func Versions(ctx context.Context, r *Repo) (faults []Fault, err error) {
	stage, err := modproxy.NewStage(ctx, r.Workspace)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	list := []string{"list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./..."}
	for _, m := range r.Workspace.Modules {
		if err := errors.Join(stage.Copy(m), stage.Publish(m)); err != nil {
			return nil, err
		}
		if m.Extra || r.Only != "" && r.Only != m.Name {
			continue
		}
		inside, err := r.goCommand(ctx, m.Dir, list...)
		if err != nil {
			return nil, err
		}
		outside, err := stage.Run(ctx, m, slices.Insert(slices.Clone(list), 1, "-mod=readonly")...)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, outside)
		}
		faults = append(faults, r.compareVersions(m, moduleVersions(inside), moduleVersions(outside))...)
	}
	return faults, nil
}

func (r *Repo) compareVersions(m *modproxy.Module, inside, outside map[string]string) []Fault {
	var faults []Fault
	for path, version := range inside {
		if other := outside[path]; !r.Workspace.Sibling(path) && other != "" && other != version {
			faults = append(faults, Fault{File: m.Name + "/go.mod", Text: fmt.Sprintf("%s is %s in the workspace and %s outside: "+
				"cd %s && go mod edit -require=%s@%s, then make tidy", path, version, other, m.Name, path, version)})
		}
	}
	return faults
}

func moduleVersions(list string) map[string]string {
	versions := map[string]string{}
	for line := range strings.Lines(list) {
		if path, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			versions[path] = version
		}
	}
	return versions
}

// goCommand runs the go command in dir, inside the workspace whatever the caller's own GOWORK is.
func (r *Repo) goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// One platform, so that everybody's lists are the same.
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(r.Root, "go.work"), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), dir, err, stderr.String())
	}
	return string(out), nil
}
