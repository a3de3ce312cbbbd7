package template

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// CheckTarget says why dir cannot become a new service. It may be missing, empty, or have nothing but a .git in it, as
// the clone of a new repository has.
func CheckTarget(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot become a service: %w", dir, err)
	}
	for _, entry := range entries {
		if entry.Name() != ".git" {
			return fmt.Errorf("%s is not empty (it has %s): nothing was written; give another folder as the second argument, or for an "+
				"older service see: sdk help upgrade", dir, entry.Name())
		}
	}
	return nil
}

// Stage writes files into a new temporary folder beside dir, so that [Land] is a rename.
func Stage(files Files, dir string) (string, error) {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(parent); err != nil {
		return "", fmt.Errorf("the folder around %s: %w: make it first", dir, err)
	}
	stage, err := os.MkdirTemp(parent, ".sdk-new-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(stage, 0o755); err != nil {
		return "", errors.Join(err, os.RemoveAll(stage))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(stage, filepath.FromSlash(name))
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, files[name], 0o666))
		if err != nil {
			return "", errors.Join(err, os.RemoveAll(stage))
		}
	}
	return stage, nil
}

// Land moves what was staged to dir. When it fails, dir is as it was, and the stage is still there.
func Land(stage, dir string) error {
	if err := CheckTarget(dir); err != nil {
		return err // it was filled meanwhile
	}
	git := filepath.Join(dir, ".git")
	if _, err := os.Lstat(git); err == nil {
		return landInto(stage, dir)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(stage, dir)
}

// landInto moves the entries one by one, because the folder has a repository in it; a failure moves them back.
func landInto(stage, dir string) error {
	entries, err := os.ReadDir(stage)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if err := os.Rename(filepath.Join(stage, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			for _, moved := range entries[:i] {
				err = errors.Join(err, os.Rename(filepath.Join(dir, moved.Name()), filepath.Join(stage, moved.Name())))
			}
			return err
		}
	}
	return os.Remove(stage)
}
