package release

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"
)

func TestTheVersionsThatMayFollow(t *testing.T) {
	for version, want := range map[string]string{
		"v0.1.0":      "v0.1.1 v0.2.0 v1.0.0",
		"v0.9.9":      "v0.9.10 v0.10.0 v1.0.0",
		"v1.2.3":      "v1.2.4 v1.3.0 v2.0.0",
		"v1.0.0-rc.1": "v1.0.0 v1.0.1 v1.1.0 v2.0.0",
	} {
		if d := cmp.Diff(want, strings.Join(following(version), " ")); d != "" {
			t.Errorf("after %s: %s", version, d)
		}
	}
}

func TestTheOldestVersionThatServicesMayHave(t *testing.T) {
	retracted := []*modfile.Retract{{VersionInterval: modfile.VersionInterval{Low: "v0.2.0", High: "v0.2.1"}}}
	for _, test := range []struct {
		name, versions, want string
		retracted            []*modfile.Retract
	}{
		{"nothing is released", "", "", nil},
		{"one", "v0.1.0", "v0.1.0", nil},
		{"the minor version before the newest", "v0.1.0 v0.2.0 v0.2.1 v0.3.0", "v0.2.0", nil},
		{"a patch of the newest counts with it", "v0.1.0 v0.2.0 v0.3.0 v0.3.1", "v0.2.0", nil},
		{"not what is retracted", "v0.2.0 v0.2.1 v0.2.2 v0.3.0", "v0.2.2", retracted},
		{"all before the newest is retracted", "v0.2.0 v0.2.1 v0.3.0", "v0.3.0", retracted},
		{"not a pre-release", "v0.2.0-rc.1 v0.2.0 v0.3.0", "v0.2.0", nil},
		{"not another major version", "v0.9.0 v1.0.0", "v1.0.0", nil},
		{"ten is more than nine", "v0.8.0 v0.9.0 v0.10.0", "v0.9.0", nil},
	} {
		if got := oldestSupported(strings.Fields(test.versions), test.retracted); got != test.want {
			t.Errorf("%s: %q of %s, want %q", test.name, got, test.versions, test.want)
		}
	}
}

func TestTargetsAreNamedByFolderAndVersion(t *testing.T) {
	for _, args := range []string{"", "errors", "errors=0.1.0", "errors=v0.1", "errors=v0.1.0 errors/=v0.2.0", "errors=v0.1.0+meta"} {
		if targets, err := ParseTargets(strings.Fields(args)); err == nil {
			t.Errorf("%q: %v, want an error", args, targets)
		}
	}
	targets, err := ParseTargets([]string{"kafka=v0.1.0", "cmd/sdk/=v1.0.0-rc.1"})
	if d := cmp.Diff([]Target{{"kafka", "v0.1.0"}, {"cmd/sdk", "v1.0.0-rc.1"}}, targets); d != "" || err != nil {
		t.Error(d, err)
	}
}
