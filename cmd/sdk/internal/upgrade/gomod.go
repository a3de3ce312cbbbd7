package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"

	"github.com/backend-platform/sdk/cmd/sdk/internal/gocmd"
)

// mergeGoMod raises what the service's go.mod has below the template's, and adds what the template added since. As text
// the two could not be merged: every dependency bot writes to the same lines.
func mergeGoMod(base, yours, next []byte) ([]byte, error) {
	was, err := modfile.Parse("go.mod of the template", base, nil)
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse("go.mod", yours, nil)
	if err != nil {
		return nil, err
	}
	now, err := modfile.Parse("go.mod of the template", next, nil)
	if err != nil {
		return nil, err
	}
	faults := []error{raiseGo(file, now), raiseRequires(was, file, now)}
	for _, tool := range now.Tool {
		if !hasTool(was, tool.Path) && !hasTool(file, tool.Path) {
			faults = append(faults, file.AddTool(tool.Path))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("go.mod: %w", err)
	}
	file.Cleanup()
	return file.Format()
}

func hasTool(file *modfile.File, path string) bool {
	return slices.ContainsFunc(file.Tool, func(t *modfile.Tool) bool { return t.Path == path })
}

func raiseGo(file, now *modfile.File) error {
	if now.Go != nil && (file.Go == nil || version.Compare("go"+now.Go.Version, "go"+file.Go.Version) > 0) {
		if err := file.AddGoStmt(now.Go.Version); err != nil {
			return err
		}
	}
	if now.Toolchain != nil && (file.Toolchain == nil || version.Compare(now.Toolchain.Name, file.Toolchain.Name) > 0) {
		return file.AddToolchainStmt(now.Toolchain.Name)
	}
	return nil
}

func raiseRequires(was, file, now *modfile.File) error {
	before, yours := requires(was), requires(file)
	for _, r := range now.Require {
		have, there := yours[r.Mod.Path]
		switch {
		case there && semver.Compare(r.Mod.Version, have) > 0:
			if err := file.AddRequire(r.Mod.Path, r.Mod.Version); err != nil {
				return err
			}
		case !there && before[r.Mod.Path] == "":
			file.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Indirect)
		}
	}
	file.SetRequireSeparateIndirect(file.Require)
	return nil
}

func requires(file *modfile.File) map[string]string {
	versions := map[string]string{}
	for _, r := range file.Require {
		versions[r.Mod.Path] = r.Mod.Version
	}
	return versions
}

// mergeGoSum is the union: a line that is not needed is tidied away, and one that is there is a hash that is checked.
func mergeGoSum(yours, next []byte) []byte {
	var lines []string
	for line := range strings.Lines(string(yours) + "\n" + string(next)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// tidy runs go mod tidy over the service's code with another go.mod and go.sum than those in its folder, which stay as
// they are.
func tidy(ctx context.Context, run *gocmd.Runner, dir string, goMod, goSum []byte) (tidyMod, tidySum []byte, err error) {
	temp, err := os.MkdirTemp("", "sdk-tidy-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(temp)
	modFile, sumFile := filepath.Join(temp, "go.mod"), filepath.Join(temp, "go.sum")
	if err := errors.Join(os.WriteFile(modFile, goMod, 0o600), os.WriteFile(sumFile, goSum, 0o600)); err != nil {
		return nil, nil, err
	}
	// -modfile is not for workspaces, and tidy looks at none anyway.
	if _, err := run.Run(ctx, dir, []string{"GOWORK=off"}, "mod", "tidy", "-modfile="+modFile); err != nil {
		return nil, nil, err
	}
	if tidyMod, err = os.ReadFile(modFile); err != nil {
		return nil, nil, err
	}
	if tidySum, err = os.ReadFile(sumFile); len(bytes.TrimSpace(tidySum)) == 0 {
		tidySum = nil
	}
	return tidyMod, tidySum, err
}
