package release

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// A startingPoint is what the repository was before a release.
type startingPoint struct {
	git    git
	branch string
	commit string
}

// inspect refuses what cannot be released, before anything is made.
func inspect(ctx context.Context, g git, targets []Target) (startingPoint, error) {
	s := startingPoint{git: g}
	ref, err := g.run(ctx, "symbolic-ref", "--quiet", "HEAD")
	if err != nil {
		return s, errors.New("no branch is checked out, so there is none that the release's commit could go to: git switch main")
	}
	s.branch = strings.TrimPrefix(ref, "refs/heads/")
	if s.commit, err = g.run(ctx, "rev-parse", "--verify", "HEAD^{commit}"); err != nil {
		return s, err
	}
	changed, err := g.run(ctx, "status", "--porcelain")
	if err != nil {
		return s, err
	}
	if changed != "" {
		return s, fmt.Errorf("the tree is dirty, and a release is made of what is committed: commit, stash or remove\n%s", changed)
	}
	ws, err := modproxy.Load(g.dir)
	if err != nil {
		return s, err
	}
	releases, err := releasesOf(ctx, g, ws)
	if err != nil {
		return s, err
	}
	var faults []error
	for _, t := range targets {
		faults = append(faults, checkTarget(ws, releases, t))
	}
	return s, errors.Join(faults...)
}

// commit makes the release's commit, in the clone. What the gates may leave in the tree is not part of it.
func (c *candidate) commit(ctx context.Context) error {
	var subject []string
	for _, t := range c.targets {
		subject = append(subject, t.Name+" "+t.Version)
	}
	message := "build(release): " + strings.Join(subject, ", ")
	if len(subject) > 3 {
		message = fmt.Sprintf("build(release): %d modules\n\n%s", len(subject), strings.Join(subject, "\n"))
	}
	if _, err := c.git.run(ctx, "add", "--all"); err != nil {
		return err
	}
	_, err := c.git.feed(ctx, message, "commit", "--quiet", "--file=-")
	return err
}

// tag makes the release's tags, in the clone.
func (c *candidate) tag(ctx context.Context) error {
	for _, m := range c.examined() {
		t := Target{m.Name, c.target(m)}
		notes, err := c.changelog(m)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s %s\n\n%s\n", t.Name, t.Version, notes.unreleased)
		// git takes lines that start with # for comments, and a changelog's headings do.
		if _, err := c.git.feed(ctx, text, "tag", "--annotate", "--cleanup=verbatim", "--file=-", t.tag()); err != nil {
			return err
		}
	}
	return nil
}

// compareTags reads the tags back as a service's go command does.
func (c *candidate) compareTags(ctx context.Context) error {
	tags := newTagProxy(c.git, filepath.Join(c.temp, "compared"), c.ws)
	for _, m := range c.examined() {
		if err := tags.add(ctx, m.Path, c.target(m)); err != nil {
			return err
		}
	}
	var faults []error
	for mod, sums := range tags.sums {
		m := c.ws.Module(mod.Path)
		if c.target(m) != mod.Version {
			continue
		}
		for _, sum := range sums {
			if !slices.Contains(c.sums, sum) {
				faults = append(faults, fmt.Errorf("the tag %s/%s is not what siblings' go.sum files have recorded: a file of the module, "+
					"its changelog perhaps, was changed after it had been put into the proxy (%s)", m.Name, mod.Version, sum))
			}
		}
	}
	return errors.Join(faults...)
}

// take brings the commit and the tags from the clone into the repository: objects first, which nothing refers to yet,
// then all refs in one transaction. What follows is not broken off, so that the end of ctx leaves either nothing or all.
func (s startingPoint) take(ctx context.Context, clone git, targets []Target) error {
	commit, err := clone.run(ctx, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	fetch := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", clone.dir, "HEAD"}
	refs := []string{fmt.Sprintf("update refs/heads/%s %s %s", s.branch, commit, s.commit)}
	undo := []string{fmt.Sprintf("update refs/heads/%s %s %s", s.branch, s.commit, commit)}
	for _, t := range targets {
		object, err := clone.run(ctx, "rev-parse", "refs/tags/"+t.tag())
		if err != nil {
			return err
		}
		fetch = append(fetch, "refs/tags/"+t.tag())
		refs = append(refs, fmt.Sprintf("create refs/tags/%s %s", t.tag(), object))
		undo = append(undo, fmt.Sprintf("delete refs/tags/%s %s", t.tag(), object))
	}
	if _, err := s.git.run(ctx, fetch...); err != nil {
		return err
	}
	changed, err := s.git.run(ctx, "status", "--porcelain")
	if err != nil {
		return err
	}
	if changed != "" {
		return fmt.Errorf("the tree was changed while the release was made: nothing is released\n%s", changed)
	}
	ctx = context.WithoutCancel(ctx)
	if err := s.move(ctx, refs, "release"); err != nil {
		return err
	}
	if _, err := s.git.run(ctx, "read-tree", "-m", "-u", s.commit, commit); err != nil {
		return errors.Join(fmt.Errorf("the tree cannot follow the release's commit: %w", err), s.move(ctx, undo, "release undone"))
	}
	return nil
}

// move changes refs, all or none.
func (s startingPoint) move(ctx context.Context, refs []string, why string) error {
	transaction := "start\n" + strings.Join(refs, "\n") + "\nprepare\ncommit\n"
	_, err := s.git.feed(ctx, transaction, "update-ref", "--create-reflog", "-m", why, "--stdin")
	return err
}
