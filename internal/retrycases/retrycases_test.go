package retrycases_test

import (
	"testing"
	"time"

	"github.com/backend-platform/sdk/internal/retrycases"
)

func TestCasesCanBeTold(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range retrycases.All() {
		switch {
		case c.Name == "" || seen[c.Name]:
			t.Errorf("%q is no name of its own", c.Name)
		case c.RetryAfter%time.Second != 0:
			t.Errorf("%s: a header cannot say %v", c.Name, c.RetryAfter)
		case (c.Verdict == "again") != (c.Wait > 0):
			t.Errorf("%s: %s after %v", c.Name, c.Verdict, c.Wait)
		}
		seen[c.Name] = true
	}
}
