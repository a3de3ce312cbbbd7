package modproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// TidyOptions say what [Workspace.Tidy] does. The zero value tidies every module and writes the result.
type TidyOptions struct {
	// Only names the modules (folders) to tidy; empty means all. The others are served as they are.
	Only []string
	// Check writes nothing and reports a file that tidying would change as an error.
	Check bool
	// KeepGoing passes -e to go mod tidy: imports that nothing provides are reported and passed over.
	KeepGoing bool
	// Log gets one line for each file that changes, and the go command's warnings. Nil: they are dropped.
	Log io.Writer
}

// Tidy runs "go mod tidy" in a staged copy of each module, in topological order, against its siblings as they are in
// the work tree, and writes go.mod, go.sum and the replaces of go.work back. What it writes is as though the
// siblings had been released, without the go.sum lines of the siblings (see the package's documentation).
// One module's fault does not keep the others from being tidied; all faults are returned, joined.
func (ws *Workspace) Tidy(ctx context.Context, opts TidyOptions) error {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if err := ws.known(opts.Only); err != nil {
		return err
	}
	stage, err := NewStage(ctx, ws)
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range ws.Modules {
		if err := ws.tidyModule(ctx, stage, m, opts); err != nil {
			faults = append(faults, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := ws.writeReplaces(opts); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(errors.Join(faults...), stage.Close())
}

// known reports names that no module has.
func (ws *Workspace) known(names []string) error {
	for _, name := range names {
		if ws.Module(name) == nil {
			return fmt.Errorf("no module %q in the workspace", name)
		}
	}
	return nil
}

// chosen reports whether m is among names, of which none means all.
func (ws *Workspace) chosen(m *Module, names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return ws.Module(name) == m })
}

func (ws *Workspace) tidyModule(ctx context.Context, stage *Stage, m *Module, opts TidyOptions) error {
	if err := stage.Copy(m); err != nil {
		return err
	}
	var fault error
	if ws.chosen(m, opts.Only) {
		fault = ws.tidyStaged(ctx, stage, m, opts)
	}
	// A module that cannot be tidied is published as it is, so that its dependents still can be.
	return errors.Join(fault, stage.Publish(m))
}

func (ws *Workspace) tidyStaged(ctx context.Context, stage *Stage, m *Module, opts TidyOptions) error {
	if m.empty { // tidy would take every require away
		fmt.Fprintf(opts.Log, "%s has no Go file: left as it is\n", m.Name)
		return nil
	}
	before, err := readFiles(m.Dir)
	if err != nil {
		return err
	}
	if err := stage.rewrite(m, true); err != nil {
		return err
	}
	args := []string{"mod", "tidy"}
	if opts.KeepGoing {
		args = append(args, "-e")
	}
	out, err := stage.Run(ctx, m, args...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if opts.KeepGoing && strings.Contains(out, "imports\n") {
		fmt.Fprint(opts.Log, out)
	}
	after, err := ws.tidied(stage, m, before)
	if err != nil {
		return err
	}
	return ws.writeBack(m, before, after, opts)
}

// modFiles are the two files of a module that tidy writes; nil for one that is not there.
type modFiles struct{ goMod, goSum []byte }

func readFiles(dir string) (modFiles, error) {
	goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return modFiles{}, err
	}
	goSum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return modFiles{goMod, goSum}, err
}

// tidied turns the staged files into those of the repository: siblings at the versions that were required before, no
// hashes of work-tree content, and the sibling lines that a release wrote.
func (ws *Workspace) tidied(stage *Stage, m *Module, before modFiles) (modFiles, error) {
	staged, err := readFiles(stage.Dir(m))
	if err != nil {
		return modFiles{}, err
	}
	file, err := modfile.Parse("go.mod", staged.goMod, nil)
	if err != nil {
		return modFiles{}, err
	}
	for _, r := range slices.Clone(file.Require) {
		if ws.Sibling(r.Mod.Path) {
			if err := file.AddRequire(r.Mod.Path, ws.required(m, r.Mod.Path)); err != nil {
				return modFiles{}, err
			}
		}
	}
	goMod, err := file.Format()
	if err != nil {
		return modFiles{}, err
	}
	isSibling := func(line string) bool {
		path, _, _ := strings.Cut(line, " ")
		return ws.Sibling(path)
	}
	lines := slices.DeleteFunc(sumLines(staged.goSum), isSibling)
	for _, line := range sumLines(before.goSum) {
		if isSibling(line) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, compareSums)
	// The next module of the order reads what this one requires now.
	m.File = file
	return modFiles{goMod, joinLines(lines)}, nil
}

// required is the version of a sibling that m's go.mod shall name: the one it names, raised to what the siblings
// between them require of each other, as minimal version selection would.
func (ws *Workspace) required(m *Module, path string) string {
	var version string
	for _, name := range append([]string{m.Path}, m.Uses...) {
		for _, r := range ws.byPath[name].File.Require {
			if r.Mod.Path == path && !strings.Contains(r.Mod.Version, "-0.head.") {
				version = maxVersion(version, r.Mod.Version)
			}
		}
	}
	if version == "" {
		return ws.newest(path)
	}
	return version
}

// compareSums orders go.sum lines as the go command does: by module, then by version, go.mod lines last.
func compareSums(a, b string) int {
	fa, fb := strings.Fields(a), strings.Fields(b)
	if len(fa) != 3 || len(fb) != 3 || fa[0] != fb[0] {
		return strings.Compare(a, b)
	}
	va, aMod := strings.CutSuffix(fa[1], "/go.mod")
	vb, bMod := strings.CutSuffix(fb[1], "/go.mod")
	if va != vb {
		if maxVersion(va, vb) == va {
			return 1
		}
		return -1
	}
	switch {
	case aMod == bMod:
		return 0
	case aMod:
		return 1
	}
	return -1
}

func (ws *Workspace) writeBack(m *Module, before, after modFiles, opts TidyOptions) error {
	return errors.Join(
		writeFile(ws.Root, filepath.Join(m.Dir, "go.mod"), before.goMod, after.goMod, opts),
		writeFile(ws.Root, filepath.Join(m.Dir, "go.sum"), before.goSum, after.goSum, opts))
}

// writeFile replaces a file by a rename, and refuses when somebody else changed it meanwhile.
func writeFile(root, name string, before, after []byte, opts TidyOptions) error {
	if bytes.Equal(before, after) {
		return nil
	}
	short, err := filepath.Rel(root, name)
	if err != nil {
		short = name
	}
	if opts.Check {
		return fmt.Errorf("%s is not tidy (make tidy):\n%s", short, diff(before, after))
	}
	now, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s was changed while it was being tidied: run it again", short)
	}
	temp := name + ".tmp"
	if err := os.WriteFile(temp, after, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(opts.Log, "%s\n", short)
	return os.Rename(temp, name)
}

// diff lists the lines that only one of the two has.
func diff(before, after []byte) string {
	was, is := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
	var b strings.Builder
	for _, line := range was {
		if !slices.Contains(is, line) {
			fmt.Fprintf(&b, "  -%s\n", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			fmt.Fprintf(&b, "  +%s\n", line)
		}
	}
	return b.String()
}
