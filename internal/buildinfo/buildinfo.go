// Package buildinfo tells which modules, in which versions, the running program was built from.
//
// It reads what the Go linker wrote into the binary, so there is no version constant to forget. Inside
// the SDK's own workspace every sibling reads "(devel)"; a test binary lists no modules at all.
package buildinfo

import (
	"cmp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// Prefix starts the path of every module of the SDK.
const Prefix = "github.com/backend-platform/sdk/"

// A Module is one module of a program.
type Module struct {
	Path    string // import path
	Version string // such as v1.4.2, or (devel); "" where the build did not say
}

// Info is what a build says of itself.
type Info struct {
	// Main is the module that was built. Its version is the module's, or else the first twelve digits
	// of the commit, with "-dirty" where files were changed.
	Main Module
	// Go is the version of the toolchain, such as go1.26.8.
	Go string
	// Modules are the SDK's modules in the program, in the order of their paths.
	Modules []Module
}

// Read returns the running program's build information. It is read once; the result is shared and
// must not be changed. Safe for concurrent use.
func Read() Info { return read() }

var read = sync.OnceValue(func() Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Info{}
	}
	return From(info)
})

// Version returns the version of one of the SDK's modules in the running program, such as
// Version("httpclient"), and "(devel)" where the build does not list it.
func Version(module string) string {
	for _, m := range Read().Modules {
		if m.Path == Prefix+module {
			return cmp.Or(m.Version, "(devel)")
		}
	}
	return "(devel)"
}

// From returns the same of any build information.
func From(info *debug.BuildInfo) Info {
	i := Info{Main: Module{Path: info.Main.Path, Version: mainVersion(info)}, Go: info.GoVersion}
	for _, dep := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if strings.HasPrefix(dep.Path, Prefix) {
			i.Modules = append(i.Modules, Module{Path: dep.Path, Version: version(dep)})
		}
	}
	slices.SortFunc(i.Modules, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return i
}

// version knows that a module replaced by a folder has no version of its own.
func version(m *debug.Module) string {
	if m.Replace == nil {
		return m.Version
	}
	return cmp.Or(m.Replace.Version, "(devel)")
}

func mainVersion(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	settings := make(map[string]string, len(info.Settings))
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		return info.Main.Version
	}
	revision = revision[:min(len(revision), 12)]
	if settings["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	return revision
}
