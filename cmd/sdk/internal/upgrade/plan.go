// Package upgrade brings the files of a service to another version of its template: what changed in the template
// between the two versions is merged with what changed in the service since.
//
// Everything is computed before anything is written, and what is written is undone when a write fails.
package upgrade

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/backend-platform/sdk/cmd/sdk/internal/template"
)

// An Outcome says what an upgrade does with one file.
type Outcome string

// The outcomes. Those that a person should look at are the last five.
const (
	Added        Outcome = "added"
	Updated      Outcome = "updated"
	Merged       Outcome = "merged"
	Deleted      Outcome = "deleted"
	StaysDeleted Outcome = "stays deleted"
	Kept         Outcome = "kept"
	BothAdded    Outcome = "kept, both added it"
	NotMergeable Outcome = "kept, cannot be merged"
	Conflict     Outcome = "CONFLICT"
	unchanged    Outcome = ""
)

// Note explains an outcome that is not plain.
func (o Outcome) Note() string {
	switch o {
	case StaysDeleted:
		return "you deleted it, and the template changed it"
	case Kept:
		return "the template deleted it, and you changed it"
	case BothAdded:
		return "yours was there before the template's"
	case NotMergeable:
		return "binary, or no regular file: compare it by hand"
	case Conflict:
		return "both changed the same lines"
	}
	return ""
}

// A Change is one file of a plan.
type Change struct {
	// Name is relative to the service's folder, with slashes.
	Name string
	// Outcome is what is done with it.
	Outcome Outcome
	// Before and After are its contents; nil where there is no file. They are equal where nothing is written.
	Before, After []byte
}

// writes reports whether the change touches the file.
func (c Change) writes() bool {
	return (c.Before == nil) != (c.After == nil) || !bytes.Equal(c.Before, c.After)
}

// A Plan is what an upgrade will do.
type Plan struct {
	// Changes are ordered by name. Files about which there is nothing to say are not among them.
	Changes []Change
}

// Conflicts returns the names of the files with conflict markers.
func (p *Plan) Conflicts() []string {
	var names []string
	for _, c := range p.Changes {
		if c.Outcome == Conflict {
			names = append(names, c.Name)
		}
	}
	return names
}

// Writes reports whether any file is touched.
func (p *Plan) Writes() bool { return slices.ContainsFunc(p.Changes, Change.writes) }

// set puts a file that is merged by meaning into the plan, in place of what is there of it.
func (p *Plan) set(name string, before, after []byte) {
	p.Changes = slices.DeleteFunc(p.Changes, func(c Change) bool { return c.Name == name })
	if c := (Change{name, Updated, before, after}); c.writes() {
		p.Changes = append(p.Changes, c)
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
}

// Labels name the two versions of the template in conflict markers.
type Labels struct{ Old, New string }

// planFiles merges each file that the template keeps in step, in the service's folder.
func planFiles(ctx context.Context, dir string, older, newer template.Files, labels Labels) (*Plan, error) {
	names := map[string]bool{}
	for name := range older {
		names[name] = true
	}
	for name := range newer {
		names[name] = true
	}
	p := &Plan{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if template.Ours(name) {
			continue
		}
		yours, regular, err := readYours(dir, name)
		if err != nil {
			return nil, err
		}
		c, err := planFile(ctx, triple{name, older[name], yours, newer[name]}, regular, labels)
		if err != nil {
			return nil, fmt.Errorf("merge %s: %w", name, err)
		}
		if c.Outcome != unchanged {
			p.Changes = append(p.Changes, c)
		}
	}
	return p, nil
}

// triple is one file in the three states that are merged; nil for a state in which it is not there.
type triple struct {
	name              string
	base, yours, next []byte
}

func (t triple) keep(o Outcome) Change { return Change{t.name, o, t.yours, t.yours} }

func planFile(ctx context.Context, t triple, regular bool, labels Labels) (Change, error) {
	templateChanged := (t.base == nil) != (t.next == nil) || !bytes.Equal(t.base, t.next)
	switch {
	case !templateChanged:
		return t.keep(unchanged), nil
	case !regular:
		return t.keep(NotMergeable), nil
	case t.yours == nil && t.base == nil:
		return Change{t.name, Added, nil, t.next}, nil
	case t.yours == nil && t.next == nil:
		return t.keep(unchanged), nil
	case t.yours == nil:
		return t.keep(StaysDeleted), nil
	case t.next != nil && sameText(t.yours, t.next):
		return t.keep(unchanged), nil
	case t.base == nil:
		return t.keep(BothAdded), nil
	case t.next == nil && sameText(t.yours, t.base):
		return Change{t.name, Deleted, t.yours, nil}, nil
	case t.next == nil:
		return t.keep(Kept), nil
	}
	return merge(ctx, t, labels)
}
