// Package template knows what a template is: a module that is made into a service by two substitutions, its module
// path and its name. There is no template language, so a template compiles, is tested and is linted as it stands.
package template

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// Root is the path below which the templates of this SDK lie.
const Root = "github.com/backend-platform/sdk/templates/"

// Known are the templates of this SDK, with what each is for.
var Known = []struct{ Name, Purpose string }{
	{"helloservice", "HTTP: a resource with validation, errors, a call to another service"},
	{"helloworker", "Kafka: a consumer with dead letters, and a producer"},
}

// A Ref names a template and a version of it.
type Ref struct {
	// Path is the module path of the template.
	Path string
	// Query is a version, or "latest".
	Query string
}

// ParseRef reads "helloservice", "helloservice@v0.2.0" or "example.com/templates/worker@latest".
func ParseRef(text string) (Ref, error) {
	name, query, ok := strings.Cut(text, "@")
	if !ok {
		query = "latest"
	}
	if query == "" {
		return Ref{}, fmt.Errorf("template %q: the version after @ is missing: @latest, or one such as @v0.1.0", text)
	}
	if !strings.Contains(name, "/") {
		name = Root + name
	}
	if err := module.CheckPath(name); err != nil {
		return Ref{}, fmt.Errorf("template %q: %w", text, err)
	}
	return Ref{name, query}, nil
}

// Name is the template's own name, which stands in it for the service's: the last element of its path.
func (r Ref) Name() string { return NameOf(r.Path) }

// NameOf returns the last element of a module path that is not a major version.
func NameOf(modulePath string) string {
	prefix, _, ok := module.SplitPathVersion(modulePath)
	if !ok {
		prefix = modulePath
	}
	return path.Base(prefix)
}

// label is a DNS label of RFC 1035, which is what Kubernetes takes for the name of a Service.
var label = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// CheckName says why a service cannot have this name. It becomes a host name, the name of a container image and a label
// of every metric.
func CheckName(name string) error {
	if !label.MatchString(name) {
		return fmt.Errorf("%q is no name for a service: it becomes a DNS label (RFC 1035), so lower-case letters, digits and "+
			"hyphens, beginning with a letter, at most 63: give one with -name", name)
	}
	return nil
}

// CheckModule says why a module path cannot be that of a new service.
func CheckModule(modulePath string) error {
	if strings.Contains(modulePath, "@") {
		return fmt.Errorf("bad module path %q: it has no version; -template takes one", modulePath)
	}
	if err := module.CheckPath(modulePath); err != nil {
		return fmt.Errorf("bad %w: it is where the code will live, such as github.com/acme/orders", err)
	}
	return nil
}

// Newer reports whether version a comes after b.
func Newer(a, b string) bool { return semver.Compare(a, b) > 0 }
