package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"unicode/utf8"
)

// readYours reads a file of the service; nil when it is not there. regular is false for a link, a folder or a device,
// which is not looked into.
func readYours(dir, name string) (data []byte, regular bool, err error) {
	file := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || err != nil && parentIsFile(dir, file) {
		return nil, !parentIsFile(dir, file), nil
	}
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, nil
	}
	data, err = os.ReadFile(file)
	if data == nil {
		data = []byte{}
	}
	return data, true, err
}

// parentIsFile reports whether something else stands where a folder of the template was.
func parentIsFile(dir, file string) bool {
	for parent := filepath.Dir(file); len(parent) > len(dir); parent = filepath.Dir(parent) {
		if info, err := os.Stat(parent); err == nil {
			return !info.IsDir()
		}
	}
	return false
}

// sameText compares without regard to the ends of lines, which git may have changed on Windows.
func sameText(a, b []byte) bool { return bytes.Equal(toLF(a), toLF(b)) }

func toLF(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")) }

func toCRLF(data []byte) []byte { return bytes.ReplaceAll(toLF(data), []byte("\n"), []byte("\r\n")) }

// merge is git's three-way merge of one file. What the service wrote with CRLF stays so.
func merge(ctx context.Context, t triple, labels Labels) (Change, error) {
	for _, data := range [][]byte{t.base, t.yours, t.next} {
		if bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
			if sameText(t.yours, t.base) {
				return Change{t.name, Updated, t.yours, t.next}, nil
			}
			return t.keep(NotMergeable), nil
		}
	}
	yours := t.yours
	restore := func(data []byte) []byte { return data }
	if bytes.Contains(yours, []byte("\r\n")) && !bytes.Contains(t.next, []byte("\r\n")) {
		yours, restore = toLF(yours), toCRLF
	}
	if bytes.Equal(yours, t.base) {
		return Change{t.name, Updated, t.yours, restore(t.next)}, nil
	}
	merged, conflicts, err := mergeFile(ctx, t.base, yours, t.next, labels)
	if err != nil {
		return Change{}, err
	}
	outcome := Merged
	if conflicts {
		outcome = Conflict
	}
	return Change{t.name, outcome, t.yours, restore(merged)}, nil
}

// mergeFile runs git merge-file, which needs no repository.
func mergeFile(ctx context.Context, base, yours, next []byte, labels Labels) (merged []byte, conflicts bool, err error) {
	dir, err := os.MkdirTemp("", "sdk-merge-")
	if err != nil {
		return nil, false, err
	}
	defer os.RemoveAll(dir)
	for name, data := range map[string][]byte{"base": base, "yours": yours, "next": next} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, false, err
		}
	}
	cmd := exec.CommandContext(ctx, "git", "merge-file", "-p", "-L", "yours", "-L", labels.Old, "-L", labels.New, "yours", "base", "next")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	merged, err = cmd.Output()
	if err == nil {
		return merged, false, nil
	}
	// The exit code is the number of conflicts, at most 127; anything above is a failure.
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 && exit.ExitCode() <= 127 && ctx.Err() == nil {
		return merged, true, nil
	}
	return nil, false, fmt.Errorf("git merge-file: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
}
