package release

import (
	"fmt"
	"regexp"
	"strings"
)

const unreleased = "## [Unreleased]"

// sectionHead matches the heading of a released version: ## [0.1.0] - 2026-11-26.
var sectionHead = regexp.MustCompile(`^## \[(\d+\.\d+\.\d+[^\]]*)\] - \d{4}-\d\d-\d\d$`)

// A changelog is a CHANGELOG.md, cut at its headings of the second level.
type changelog struct {
	head       string // all before Unreleased
	unreleased string // below its heading, trimmed
	rest       string // from the newest version's heading on
	versions   []string
}

// parseChangelog reads a CHANGELOG.md. name is for errors.
func parseChangelog(name, text string) (changelog, error) {
	var c changelog
	begin, end := -1, len(text)
	offset := 0
	for line := range strings.Lines(text) {
		trimmed := strings.TrimRight(line, "\r\n ")
		switch head := sectionHead.FindStringSubmatch(trimmed); {
		case trimmed == unreleased && begin >= 0:
			return c, fmt.Errorf("%s: two headings %s", name, unreleased)
		case trimmed == unreleased && len(c.versions) > 0:
			return c, fmt.Errorf("%s: %s goes before the versions", name, unreleased)
		case trimmed == unreleased:
			c.head = text[:offset]
			begin = offset + len(line)
		case head != nil:
			if len(c.versions) == 0 {
				end = offset
			}
			c.versions = append(c.versions, "v"+head[1])
		case strings.HasPrefix(trimmed, "## "):
			return c, fmt.Errorf("%s: the heading %q is neither %q nor %q", name, trimmed, unreleased, "## [1.2.3] - 2026-01-31")
		}
		offset += len(line)
	}
	if begin < 0 {
		return c, fmt.Errorf("%s: no heading %s", name, unreleased)
	}
	c.unreleased = strings.TrimSpace(text[begin:end])
	c.rest = text[end:]
	return c, nil
}

// has reports whether Unreleased has a heading of the third level with these words, and something below it.
func (c changelog) has(title string) bool {
	_, below, found := strings.Cut("\n"+c.unreleased+"\n", "\n### "+title+"\n")
	below = strings.TrimSpace(below)
	return found && below != "" && !strings.HasPrefix(below, "#")
}

// release is the text with all of Unreleased moved to a version.
func (c changelog) release(version, date string) string {
	return fmt.Sprintf("%s%s\n\n## [%s] - %s\n\n%s\n\n%s", c.head, unreleased, strings.TrimPrefix(version, "v"), date, c.unreleased, c.rest)
}
