package release

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// A Target is a module (folder) and the version that it shall get.
type Target struct{ Name, Version string }

func (t Target) tag() string { return t.Name + "/" + t.Version }

// ParseTargets reads "httpclient=v0.3.0".
func ParseTargets(args []string) ([]Target, error) {
	var targets []Target
	for _, arg := range args {
		name, version, ok := strings.Cut(arg, "=")
		name = path.Clean(name)
		switch {
		case !ok || !semver.IsValid(version) || semver.Canonical(version) != version:
			return nil, fmt.Errorf("%q: want a module's folder and a full version, such as httpclient=v0.3.0", arg)
		case slices.ContainsFunc(targets, func(t Target) bool { return t.Name == name }):
			return nil, fmt.Errorf("%s is named twice", name)
		}
		targets = append(targets, Target{name, version})
	}
	if len(targets) == 0 {
		return nil, errors.New(`nothing to release: name modules and versions, such as httpclient=v0.3.0`)
	}
	return targets, nil
}

// tagged reports whether a module of the workspace gets versions: all but what only shows how the others are used.
func tagged(m *modproxy.Module) bool { return !m.Extra && m.Name != "examples" }

// releasesOf returns the versions that have a tag, by module path, oldest first. Tags of no module are passed over.
func releasesOf(ctx context.Context, g git, ws *modproxy.Workspace) (map[string][]string, error) {
	tags, err := g.lines(ctx, "tag", "--list")
	if err != nil {
		return nil, err
	}
	releases := map[string][]string{}
	for _, tag := range tags {
		name, version := path.Split(tag)
		if m := ws.Module(strings.TrimSuffix(name, "/")); name != "" && m != nil && semver.IsValid(version) {
			releases[m.Path] = append(releases[m.Path], version)
		}
	}
	for _, versions := range releases {
		semver.Sort(versions)
	}
	return releases, nil
}

func last(versions []string) string {
	if len(versions) == 0 {
		return ""
	}
	return versions[len(versions)-1]
}

// checkTarget says what keeps a version from being the next one of its module. A proxy keeps a version for ever, so a
// slip of the finger is refused here: numbers are not skipped and never go back.
func checkTarget(ws *modproxy.Workspace, releases map[string][]string, t Target) error {
	m := ws.Module(t.Name)
	if m == nil || m.Name != t.Name {
		return fmt.Errorf("%s: no such module in go.work", t.Name)
	}
	if !tagged(m) {
		return fmt.Errorf("%s: has no versions, because no service imports it", t.Name)
	}
	_, major, ok := module.SplitPathVersion(m.Path)
	if !ok || module.CheckPathMajor(t.Version, major) != nil {
		return fmt.Errorf("%s: %s does not go with the module path %s: from v2 on the path ends in the major version", t.Name, t.Version, m.Path)
	}
	newest := last(releases[m.Path])
	if slices.Contains(releases[m.Path], t.Version) {
		return fmt.Errorf("%s: the tag %s is there already: a version is never made twice", t.Name, t.tag())
	}
	if newest == "" {
		return nil
	}
	next := following(newest)
	base := strings.TrimSuffix(t.Version, semver.Prerelease(t.Version))
	if !slices.Contains(next, base) || semver.Compare(t.Version, newest) <= 0 {
		return fmt.Errorf("%s: after %s comes %s, or a pre-release of one, not %s", t.Name, newest, strings.Join(next, ", "), t.Version)
	}
	return nil
}

// following returns the next patch, minor and major version; of a pre-release, what it is a pre-release of goes first.
func following(version string) []string {
	base := strings.TrimSuffix(version, semver.Prerelease(version))
	parts := strings.Split(base[1:], ".")
	n := make([]int, 3)
	for i := range n {
		n[i], _ = strconv.Atoi(parts[i]) // it is a valid version
	}
	next := []string{
		fmt.Sprintf("v%d.%d.%d", n[0], n[1], n[2]+1), fmt.Sprintf("v%d.%d.0", n[0], n[1]+1), fmt.Sprintf("v%d.0.0", n[0]+1),
	}
	if base != version {
		next = append([]string{base}, next...)
	}
	return next
}

// oldestSupported is the oldest version that services may still have: of the newest minor version or the one before,
// as SECURITY.md says, and not retracted.
func oldestSupported(versions []string, retracted []*modfile.Retract) string {
	newest := last(versions)
	for _, version := range versions {
		bad := slices.ContainsFunc(retracted, func(r *modfile.Retract) bool {
			return semver.Compare(r.Low, version) <= 0 && semver.Compare(version, r.High) <= 0
		})
		if !bad && semver.Prerelease(version) == "" && semver.Major(version) == semver.Major(newest) && minor(version) >= minor(newest)-1 {
			return version
		}
	}
	return newest
}

func minor(version string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(semver.MajorMinor(version), semver.Major(version)+"."))
	return n
}
