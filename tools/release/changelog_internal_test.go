package release

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const log = "# Changelog\n\nOf kafka.\n\n## [Unreleased]\n\n### Added\n\n- More.\n\n### Changed defaults\n\n## [0.1.0] - 2026-01-31\n\n### Migration\n\n- Old.\n"

func TestAReleaseMovesItsNotes(t *testing.T) {
	c, err := parseChangelog("CHANGELOG.md", log)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Changelog\n\nOf kafka.\n\n## [Unreleased]\n\n## [0.2.0] - 2026-02-28\n\n### Added\n\n- More.\n\n### Changed defaults\n\n## [0.1.0] - 2026-01-31\n\n### Migration\n\n- Old.\n"
	if d := cmp.Diff(want, c.release("v0.2.0", "2026-02-28")); d != "" {
		t.Error(d)
	}
	if !c.has("Added") || c.has("Changed defaults") || c.has("Migration") {
		t.Errorf("Added: %v; Changed defaults, which has no line: %v; Migration, which is of a release: %v",
			c.has("Added"), c.has("Changed defaults"), c.has("Migration"))
	}
}

func TestAChangelogThatCannotBeMoved(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"## [Unreleased]\n", "", "no heading ## [Unreleased]"},
		{"## [Unreleased]\n", "## [Unreleased]\n\n## [Unreleased]\n", "two headings"},
		{"## [0.1.0] - 2026-01-31", "## 0.1.0", `the heading "## 0.1.0" is neither`},
		{"## [Unreleased]\n", "## [0.2.0] - 2026-02-28\n\n## [Unreleased]\n", "goes before the versions"},
	} {
		_, err := parseChangelog("kafka/CHANGELOG.md", strings.Replace(log, test.old, test.new, 1))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "kafka/CHANGELOG.md: ") {
			t.Errorf("want %q, got %v", test.want, err)
		}
	}
}
