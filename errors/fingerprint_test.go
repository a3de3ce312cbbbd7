package errors_test

import (
	"fmt"
	"io"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

// fingerprints builds and runs a program with package main and the compiler's flags.
func fingerprints(t *testing.T, flags string) map[string]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "run", "-gcflags="+flags, "./testdata/fingerprint").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, fingerprint, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		found[name] = fingerprint
	}
	return found
}

func TestFingerprintIsTheSameHoweverTheCompilerInlines(t *testing.T) {
	want := map[string]string{
		"value method":                  "internal main.store.get",
		"pointer method":                "internal main.(*store).put",
		"literals in a method":          "internal main.(*store).later",
		"generic method":                "internal main.(*cache[...]).load",
		"embedded":                      "internal main.store.get",
		"function":                      "internal main.plain",
		"literal":                       "internal main.later",
		"literal in a generic function": "internal main.generic[...]",
		"loop body":                     "internal main.ranging",
		"deferred":                      "internal main.deferring",
		"wrapped":                       "unavailable main.plain",
		"variable":                      "internal main.init",
		"method value":                  "internal main.(*store).put",
		"goroutine":                     "internal main.spawning",
	}
	for _, flags := range []string{"", "-l", "-l=4"} {
		if diff := cmp.Diff(want, fingerprints(t, flags)); diff != "" {
			t.Errorf("-gcflags=%q: %s", flags, diff)
		}
	}
}

func TestFingerprintDoesNotChangeWithTheLine(t *testing.T) {
	const twoLines = 2
	seen := make(map[string]bool)
	for i := range twoLines {
		if i == 0 {
			seen[errors.Fingerprint(errors.Internal.New("x"))] = true
			continue
		}
		seen[errors.Fingerprint(errors.Internal.Newf("another text, %d", i))] = true
	}
	if len(seen) != 1 {
		t.Errorf("%v", seen)
	}
}

func TestFingerprintTellsPlacesCodesAndReasonsApart(t *testing.T) {
	all := map[string]error{
		"here": here(), "defined": defined(), "another code": errors.Unavailable.New("x"), "another place": errors.Internal.New("x"),
		"no stack": errors.NotFound.New("x"), "no stack, a reason": ErrOutOfStock, "no code": io.EOF,
		"remote": errors.DecodeProblem(errors.Response{Status: 500, Body: []byte(`{"reason":"R"}`)}),
	}
	fingerprints := make(map[string]string)
	for name, err := range all {
		fingerprints[errors.Fingerprint(err)] = name
	}
	if len(fingerprints) != len(all) {
		t.Errorf("%d of %d are different: %v", len(fingerprints), len(all), maps.Collect(maps.All(fingerprints)))
	}
}

func TestTheStackOfAJoinIsThatOfItsMostSevereError(t *testing.T) {
	mild := func() error { return errors.Unavailable.New("mild") }()
	for _, err := range []error{errors.Join(mild, here()), errors.Join(fmt.Errorf("x: %w", here()), mild), errors.Join(errors.DataLoss, mild, here())} {
		if got := top(err).Function; !strings.HasSuffix(got, ".here") {
			t.Errorf("%v: the top frame is %s", err, got)
		}
	}
}
