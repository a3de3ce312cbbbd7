package modproxy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/semver"
)

func TestHeadVersionIsAboveWhatIsRequiredAndBelowTheNextRelease(t *testing.T) {
	for _, test := range []struct{ newest, next string }{
		{"v0.1.0", "v0.1.1"}, {"v0.9.19", "v0.9.20"}, {"v1.2.3", "v1.2.4"},
		{"v0.2.0-rc.1", "v0.2.1"}, // a candidate is followed by its release, and HEAD wins over both
	} {
		for _, hash := range []string{"0123456789ab", "012345678901", "abcdefabcdef"} {
			head, err := headVersion(test.newest, hash)
			if err != nil || !semver.IsValid(head) {
				t.Fatalf("headVersion(%q, %q) = %q, %v", test.newest, hash, head, err)
			}
			if semver.Compare(head, test.newest) <= 0 || semver.Compare(head, test.next) >= 0 {
				t.Errorf("headVersion(%q, %q) = %q is not between %[1]s and %s", test.newest, hash, head, test.next)
			}
		}
	}
	if head, err := headVersion("latest", "00"); err == nil {
		t.Errorf("no version: %q", head)
	}
}

func TestWriteFileDoesNotOverwriteAnEditMadeMeanwhile(t *testing.T) {
	root := t.TempDir()
	name := filepath.Join(root, "go.mod")
	if err := os.WriteFile(name, []byte("edited"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := writeFile(root, name, []byte("before"), []byte("after"), TidyOptions{})
	if err == nil || !strings.Contains(err.Error(), "go.mod was changed while") {
		t.Errorf("error %v", err)
	}
	if data, _ := os.ReadFile(name); string(data) != "edited" {
		t.Errorf("the edit is gone: %q", data)
	}
}

func TestSumsAreOrderedAsTheGoCommandOrdersThem(t *testing.T) {
	want := []string{
		"example.com/a v1.2.0 h1:x=", "example.com/a v1.2.0/go.mod h1:x=", "example.com/a v1.10.0 h1:x=",
		"example.com/a v1.10.0/go.mod h1:x=", "example.com/b v0.1.0/go.mod h1:x=",
	}
	have := slices.Clone(want)
	slices.Reverse(have)
	slices.SortFunc(have, compareSums)
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

func TestStagedModuleHasTheRootsLicence(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"LICENSE": "root", "go.work": "go 1.26.0\n\nuse (\n\t./a\n\t./b\n)\n",
		"a/go.mod": "module example.com/a\n\ngo 1.26.0\n", "b/go.mod": "module example.com/b\n\ngo 1.26.0\n", "b/LICENSE": "own",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	stage, err := NewStage(t.Context(), ws)
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	for _, m := range ws.Modules {
		if err := stage.Copy(m); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"a": "root", "b": "own"}[m.Name]
		if data, err := os.ReadFile(filepath.Join(stage.Dir(m), "LICENSE")); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", m.Name, data, err)
		}
	}
}

func TestVersionOfAModuleFollowsItsSiblings(t *testing.T) {
	root := t.TempDir()
	versions := func(base string) (string, string) {
		t.Helper()
		for name, text := range map[string]string{
			"LICENSE": "x", "go.work": "go 1.26.0\n\nuse (\n\t./a\n\t./b\n)\n",
			"a/go.mod": "module example.com/a\n\ngo 1.26.0\n", "a/a.go": base,
			"b/go.mod": "module example.com/b\n\ngo 1.26.0\n\nrequire example.com/a v0.1.0\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		ws, err := Load(root)
		if err != nil {
			t.Fatal(err)
		}
		stage, err := NewStage(t.Context(), ws)
		if err != nil {
			t.Fatal(err)
		}
		defer stage.Close()
		for _, m := range ws.Modules {
			if err := stage.Copy(m); err != nil {
				t.Fatal(err)
			}
			if err := stage.Publish(m); err != nil {
				t.Fatal(err)
			}
		}
		return stage.Version(ws.Module("a")), stage.Version(ws.Module("b"))
	}
	a1, b1 := versions("package a\n")
	a2, b2 := versions("package a // changed\n")
	if a1 == a2 || b1 == b2 {
		t.Errorf("the content changed, the versions are %s, %s and %s, %s", a1, b1, a2, b2)
	}
	if a3, b3 := versions("package a\n"); a3 != a1 || b3 != b1 {
		t.Errorf("the same content has the versions %s, %s and %s, %s", a1, b1, a3, b3)
	}
}
