package redact_test

import (
	"testing"

	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/internal/redact/redacttest"
)

func TestCorpusHasBothSides(t *testing.T) {
	secret, harmless := 0, 0
	seen := make(map[string]bool)
	for _, c := range redacttest.Corpus() {
		if seen[c.Text] {
			t.Errorf("%q is there twice", c.Text)
		}
		seen[c.Text] = true
		if c.Harmless() {
			harmless++
		} else {
			secret++
		}
	}
	if secret < 150 || harmless < 120 {
		t.Errorf("%d texts with a secret and %d without, want at least 150 and 120", secret, harmless)
	}
}

func TestTextTakesSecretsOutAndLeavesTheRest(t *testing.T) {
	for _, c := range redacttest.Corpus() {
		if got := redact.Text(c.Text); got != c.Want {
			t.Errorf("Text(%q)\n got %q\nwant %q", c.Text, got, c.Want)
		}
		if again := redact.Text(c.Want); again != c.Want {
			t.Errorf("Text is not stable: Text(%q) = %q", c.Want, again)
		}
	}
}
