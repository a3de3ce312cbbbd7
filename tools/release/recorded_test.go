package release_test

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/backend-platform/sdk/tools/modproxy"
	"github.com/backend-platform/sdk/tools/release"
)

// wantRecorded checks everything that a release of the targets has recorded: these are the newest of the tags, which are
// annotated and lie at HEAD; each go.mod requires siblings at the version given, its go.sum has the hashes that their
// tags have, its changelog's notes have moved, and the tree is clean.
func (r repository) wantRecorded(targets, siblings string, tags ...string) {
	r.t.Helper()
	parsed, err := release.ParseTargets(strings.Fields(targets))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, target := range parsed {
		tag := target.Name + "/" + target.Version
		tags = append(tags, tag)
		if got := r.git("cat-file", "-t", tag); got != "tag" {
			r.t.Errorf("%s is a %s, not annotated", tag, got)
		}
		if got := r.git("rev-parse", tag+"^{commit}"); got != r.git("rev-parse", "HEAD") {
			r.t.Errorf("%s is not at HEAD but at %s", tag, got)
		}
		r.wantRequires(tag, siblings)
		log := r.git("show", tag+":"+target.Name+"/CHANGELOG.md")
		if head := "## [Unreleased]\n\n## [" + target.Version[1:] + "] - 20"; !strings.Contains(log, head) {
			r.t.Errorf("%s: its changelog has no %q: %s", tag, head, log)
		}
	}
	slices.Sort(tags)
	if d := cmp.Diff(strings.Join(tags, "\n"), r.git("tag", "--list")); d != "" {
		r.t.Errorf("tags: %s", d)
	}
	if status := r.git("status", "--porcelain"); status != "" {
		r.t.Errorf("the tree does not follow: %s", status)
	}
}

// wantRequires checks the requires of siblings in a tag's go.mod, and that go.sum has their hashes and no others.
func (r repository) wantRequires(tag, version string) {
	r.t.Helper()
	file, err := modfile.Parse("go.mod", []byte(r.git("show", tag+":"+path.Dir(tag)+"/go.mod")), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var known, recorded []string
	for _, m := range file.Require {
		if !strings.HasPrefix(m.Mod.Path, sdk) {
			continue
		}
		if m.Mod.Version != version {
			r.t.Errorf("%s requires %s, want %s", tag, m.Mod, version)
		}
		known = append(known, r.sums(m.Mod)...)
	}
	if len(known) == 0 {
		return
	}
	for line := range strings.Lines(r.git("show", tag+":"+path.Dir(tag)+"/go.sum")) {
		if strings.HasPrefix(line, sdk) {
			recorded = append(recorded, strings.TrimSpace(line))
		}
	}
	slices.Sort(known)
	slices.Sort(recorded)
	if d := cmp.Diff(known, recorded); d != "" {
		r.t.Errorf("%s: go.sum (- as the tags have it, + recorded): %s", tag, d)
	}
}

// sums are the lines that a go.sum has of a tag.
func (r repository) sums(mod module.Version) []string {
	r.t.Helper()
	return r.publish(r.t.TempDir(), mod)
}

// publish puts a tag into a proxy as the go command would get it from the version control.
func (r repository) publish(proxy string, mod module.Version) []string {
	r.t.Helper()
	name := strings.TrimPrefix(mod.Path, sdk)
	tag := name + "/" + mod.Version
	sums, err := modproxy.WriteModule(proxy, mod, []byte(r.git("cat-file", "blob", tag+":"+name+"/go.mod")+"\n"), func(w io.Writer) error {
		return modzip.CreateFromVCS(w, mod, r.dir, tag, name)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return sums
}

// asUser returns the environment of somebody who types
//
//	GOPROXY=file:///…,… GONOSUMDB='github.com/backend-platform/*' go install …
//
// where the proxy has all tags, and the folder that go install puts programs into. The module cache is an empty one, so
// that nothing of a test gets into the user's, which is read all the same.
func (r repository) asUser() (env []string, bin string) {
	r.t.Helper()
	proxy, bin := r.t.TempDir(), r.t.TempDir()
	for tag := range strings.FieldsSeq(r.git("tag", "--list")) {
		r.publish(proxy, module.Version{Path: sdk + path.Dir(tag), Version: path.Base(tag)})
	}
	usual, err := goCommand(r.t, r.t.TempDir(), nil, "env", "GOMODCACHE", "GOPROXY")
	if err != nil {
		r.t.Fatal(err)
	}
	cache, proxies, _ := strings.Cut(strings.TrimSpace(usual), "\n")
	return append(os.Environ(), "GOPROXY=file://"+proxy+",file://"+cache+"/cache/download,"+proxies,
		"GONOSUMDB=github.com/backend-platform/*", "GOMODCACHE="+r.t.TempDir(), "GOFLAGS=-modcacherw", "GOBIN="+bin), bin
}
