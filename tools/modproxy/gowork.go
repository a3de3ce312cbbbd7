package modproxy

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// WriteReplaces writes the replaces of each go.work without tidying a module; see [Workspace.Replaces].
func (ws *Workspace) WriteReplaces() error { return ws.writeReplaces(TidyOptions{Log: io.Discard}) }

// writeReplaces writes the replaces of each go.work of the repository: one line for every version of a sibling that a
// go.mod mentions. They are versioned, because an unversioned replace would also hide a require that cannot be met.
func (ws *Workspace) writeReplaces(opts TidyOptions) error {
	for _, dir := range append([]string{""}, consumers...) {
		name := filepath.Join(ws.Root, dir, "go.work")
		before, err := os.ReadFile(name)
		if err != nil {
			if dir != "" && os.IsNotExist(err) {
				continue
			}
			return err
		}
		after, err := ws.Replaces(name, before)
		if err != nil {
			return err
		}
		if err := writeFile(ws.Root, name, before, after, opts); err != nil {
			return err
		}
	}
	return nil
}

// Replaces returns the go.work file, whose absolute name and content are given, with its replaces of siblings set to
// what the go.mod files mention: one block at the end of the file.
func (ws *Workspace) Replaces(name string, data []byte) ([]byte, error) {
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Clone(work.Replace) {
		if ws.Sibling(r.Old.Path) {
			if err := work.DropReplace(r.Old.Path, r.Old.Version); err != nil {
				return nil, err
			}
		}
	}
	work.Cleanup()
	var lines []string
	for path, versions := range ws.Mentioned() {
		dir, err := filepath.Rel(filepath.Dir(name), ws.byPath[path].Dir)
		if err != nil {
			return nil, err
		}
		if dir = filepath.ToSlash(dir); dir[0] != '.' {
			dir = "./" + dir
		}
		for _, version := range versions {
			lines = append(lines, fmt.Sprintf("\t%s %s => %s\n", path, version, dir))
		}
	}
	out := modfile.Format(work.Syntax)
	if len(lines) == 0 {
		return out, nil
	}
	slices.Sort(lines)
	return fmt.Appendf(out, "\nreplace (\n%s)\n", strings.Join(lines, "")), nil
}
