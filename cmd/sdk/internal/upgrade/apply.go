package upgrade

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Apply writes what the plan changes below dir. When one file cannot be written, or is no longer what it was when the plan
// was made, those before it are put back, and so the folder is as it was.
func (p *Plan) Apply(dir string) error {
	var done []Change
	for _, c := range p.Changes {
		if !c.writes() {
			continue
		}
		if err := apply(dir, c); err != nil {
			return errors.Join(fmt.Errorf("write %s: %w", c.Name, err), undo(dir, done))
		}
		done = append(done, c)
	}
	return nil
}

func undo(dir string, done []Change) error {
	var faults []error
	for _, c := range slices.Backward(done) {
		c.Before, c.After = c.After, c.Before
		if err := apply(dir, c); err != nil {
			faults = append(faults, fmt.Errorf("put %s back: %w (git checkout -- . does)", c.Name, err))
		}
	}
	return errors.Join(faults...)
}

func apply(dir string, c Change) error {
	file := filepath.Join(dir, filepath.FromSlash(c.Name))
	now, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && c.Before != nil {
		return err
	}
	if !bytes.Equal(now, c.Before) {
		return errors.New("it was changed meanwhile: run it again")
	}
	if c.After == nil {
		if err := os.Remove(file); err != nil {
			return err
		}
		removeEmpty(dir, filepath.Dir(file))
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return replace(file, c.After)
}

// removeEmpty takes away the folders that a deleted file leaves empty.
func removeEmpty(root, dir string) {
	for strings.HasPrefix(dir, root+string(filepath.Separator)) && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
}

// replace writes by a rename, so that a crash leaves the old file or the new one. Permissions stay.
func replace(file string, data []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
	}
	temp := file + ".sdk-tmp"
	if err := os.WriteFile(temp, data, mode); err != nil {
		return errors.Join(err, discard(temp))
	}
	if err := errors.Join(os.Chmod(temp, mode), os.Rename(temp, file)); err != nil {
		return errors.Join(err, discard(temp))
	}
	return nil
}

func discard(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
