package service

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// nameOf finds a name for a service whose Config has none.
func nameOf(getenv func(string) string) string {
	if name := getenv("OTEL_SERVICE_NAME"); name != "" {
		return name
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if name := nameFromPath(info.Path); name != "" {
			return name
		}
	}
	executable, err := os.Executable()
	if err != nil {
		executable = os.Args[0]
	}
	return strings.TrimSuffix(filepath.Base(executable), ".exe")
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// nameFromPath returns the last element of a main package's path that is no major version. "go run main.go" builds
// command-line-arguments, and a test has a path that ends in .test.
func nameFromPath(main string) string {
	dir, name := path.Split(main)
	if majorVersion.MatchString(name) {
		name = path.Base(path.Clean(dir))
	}
	if name == "command-line-arguments" || name == "." || name == "/" {
		return ""
	}
	return strings.TrimSuffix(name, ".test")
}
