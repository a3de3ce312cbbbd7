package release

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// tagProxy serves what the tags of a repository have, as the go command would get it from the version control. Only
// what is asked for is put into it, with what that requires.
type tagProxy struct {
	git  git
	dir  string
	ws   *modproxy.Workspace
	sums map[module.Version][]string
}

func newTagProxy(g git, dir string, ws *modproxy.Workspace) *tagProxy {
	return &tagProxy{git: g, dir: dir, ws: ws, sums: map[module.Version][]string{}}
}

// add serves a version of a module, and the versions of siblings that its go.mod requires.
func (p *tagProxy) add(ctx context.Context, path, version string) error {
	mod := module.Version{Path: path, Version: version}
	if p.sums[mod] != nil {
		return nil
	}
	m := p.ws.Module(path)
	tag := m.Name + "/" + version
	if _, err := p.git.run(ctx, "rev-parse", "--quiet", "--verify", "refs/tags/"+tag+"^{commit}"); err != nil {
		return fmt.Errorf("%s %s has no tag %s", m.Name, version, tag)
	}
	goMod, err := p.git.run(ctx, "cat-file", "blob", tag+":"+m.Name+"/go.mod")
	if err != nil {
		return err
	}
	goMod += "\n" // run takes the end of the last line
	p.sums[mod], err = modproxy.WriteModule(p.dir, mod, []byte(goMod), func(w io.Writer) error {
		return modzip.CreateFromVCS(w, mod, p.git.dir, tag, m.Name)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", tag, err)
	}
	file, err := modfile.ParseLax(tag, []byte(goMod), nil)
	if err != nil {
		return err
	}
	for _, r := range file.Require {
		if !p.ws.Sibling(r.Mod.Path) {
			continue
		}
		if err := p.add(ctx, r.Mod.Path, r.Mod.Version); err != nil {
			return fmt.Errorf("%s requires %w", tag, err)
		}
	}
	return nil
}

// lines are those of a go.sum, for everything in the proxy.
func (p *tagProxy) lines() []string {
	var lines []string
	for _, sums := range p.sums {
		lines = append(lines, sums...)
	}
	return lines
}
