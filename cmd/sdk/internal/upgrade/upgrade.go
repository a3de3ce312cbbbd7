package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

// Make computes the upgrade of the service in dir, whose manifest is given, to the version that query stands for. It
// writes nothing to dir. With conflicts in the plan, go.mod is merged but not tidied: nothing runs over code that has
// markers around it.
func Make(ctx context.Context, run *gocmd.Runner, dir string, m template.Manifest, query string) (*Plan, template.Manifest, error) {
	next, err := run.Download(ctx, m.Template, query)
	if err != nil {
		return nil, m, err
	}
	to := m
	to.Version = next.Version
	if next.Version == m.Version {
		return &Plan{}, to, nil
	}
	if !template.Newer(next.Version, m.Version) {
		return nil, m, fmt.Errorf("%s is at %s, which is newer than %s: upgrade goes only upwards; to go back, revert the commit", dir, m.Version, next.Version)
	}
	base, err := run.Download(ctx, m.Template, m.Version)
	if err != nil {
		return nil, m, fmt.Errorf("the version that the service was made from: %w", err)
	}
	older, err := template.Render(base.Dir, m)
	if err != nil {
		return nil, m, err
	}
	newer, err := template.Render(next.Dir, to)
	if err != nil {
		return nil, m, err
	}
	p, err := planFiles(ctx, dir, older, newer, Labels{"template " + m.Version, "template " + next.Version})
	if err != nil {
		return nil, m, err
	}
	return p, to, p.addMerged(ctx, run, dir, older, newer)
}

// addMerged plans the files that are merged by meaning: go.mod, go.sum and the manifest.
func (p *Plan) addMerged(ctx context.Context, run *gocmd.Runner, dir string, older, newer template.Files) error {
	read := func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && name == "go.sum" {
			return nil, nil
		}
		return data, err
	}
	goMod, errMod := read("go.mod")
	goSum, errSum := read("go.sum")
	manifest, errManifest := read(template.ManifestFile)
	if err := errors.Join(errMod, errSum, errManifest); err != nil {
		return err
	}
	newMod, err := mergeGoMod(older["go.mod"], goMod, newer["go.mod"])
	if err != nil {
		return err
	}
	newSum := mergeGoSum(goSum, newer["go.sum"])
	if len(p.Conflicts()) == 0 {
		if newMod, newSum, err = tidy(ctx, run, dir, newMod, newSum); err != nil {
			return fmt.Errorf("nothing was written, because go mod tidy failed: %w", err)
		}
	}
	p.set("go.mod", goMod, newMod)
	p.set("go.sum", goSum, newSum)
	p.set(template.ManifestFile, manifest, newer[template.ManifestFile])
	return nil
}
