package modproxy

import (
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

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
// what the go.mod files mention.
func (ws *Workspace) Replaces(name string, data []byte) ([]byte, error) {
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, err
	}
	mentioned := ws.Mentioned()
	wanted := func(path, version string) bool {
		for _, v := range mentioned[path] {
			if v == version {
				return true
			}
		}
		return false
	}
	for _, r := range append([]*modfile.Replace(nil), work.Replace...) {
		if ws.Sibling(r.Old.Path) && !wanted(r.Old.Path, r.Old.Version) {
			if err := work.DropReplace(r.Old.Path, r.Old.Version); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range ws.Modules {
		for _, version := range mentioned[m.Path] {
			dir, err := filepath.Rel(filepath.Dir(name), m.Dir)
			if err != nil {
				return nil, err
			}
			dir = filepath.ToSlash(dir)
			if dir[0] != '.' {
				dir = "./" + dir
			}
			if err := work.AddReplace(m.Path, version, dir, ""); err != nil {
				return nil, err
			}
		}
	}
	work.SortBlocks()
	work.Cleanup()
	return modfile.Format(work.Syntax), nil
}
