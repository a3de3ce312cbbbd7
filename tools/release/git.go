package release

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/backend-platform/sdk/tools/internal/command"
)

// git runs git in one repository. settings are "key=value" pairs that go before the repository's own.
type git struct {
	dir      string
	settings []string
}

// run returns what git printed, without the last line's end.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	return g.feed(ctx, "", args...)
}

// feed is run with something to read.
func (g git) feed(ctx context.Context, stdin string, args ...string) (string, error) {
	all := []string{"-C", g.dir, "--no-optional-locks"}
	for _, setting := range g.settings {
		all = append(all, "-c", setting)
	}
	cmd := exec.CommandContext(ctx, "git", append(all, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	command.Apart(cmd, syscall.SIGTERM) // git removes its lock files then
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// lines is run, split.
func (g git) lines(ctx context.Context, args ...string) ([]string, error) {
	out, err := g.run(ctx, args...)
	if out == "" || err != nil {
		return nil, err
	}
	return strings.Split(out, "\n"), nil
}

// clone makes a copy of the repository in dir, with the commit at checked out, that shares its objects and has what it
// says about people and signatures. Hooks do not run in it: a release is what the gates have seen, to the byte.
func (g git) clone(ctx context.Context, dir, at string) (git, error) {
	if _, err := g.run(ctx, "clone", "--quiet", "--shared", "--no-checkout", g.dir, dir); err != nil {
		return git{}, err
	}
	copied := git{dir: dir, settings: []string{"core.hooksPath=/dev/null", "advice.detachedHead=false"}}
	settings, err := g.lines(ctx, "config", "--list")
	if err != nil {
		return git{}, err
	}
	for _, line := range settings {
		for _, prefix := range []string{"user.", "gpg.", "commit.gpgsign=", "tag.gpgsign=", "core.autocrlf=", "core.eol="} {
			if strings.HasPrefix(line, prefix) {
				copied.settings = append(copied.settings, line)
			}
		}
	}
	_, err = copied.run(ctx, "checkout", "--quiet", "--detach", at)
	return copied, err
}
