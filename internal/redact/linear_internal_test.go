package redact

import (
	"strings"
	"testing"

	"github.com/backend-platform/sdk/internal/redact/redacttest"
)

// checkLinear repeats a text until it is long: whatever is not linear shows then.
func checkLinear(t *testing.T, unit string) {
	t.Helper()
	if unit == "" {
		return
	}
	const long, most = 32 << 10, 64
	for _, s := range []string{
		strings.Repeat(unit, long/len(unit)+1),
		unit + strings.Repeat(unit[len(unit)-1:], long), // and each of its ends alone
		strings.Repeat(unit[:1], long) + unit,
	} {
		sc := scanner{s: s}
		sc.clean()
		if sc.looked > most*len(s) {
			t.Errorf("%d looks at a text of %d bytes that repeats %q", sc.looked, len(s), unit)
		}
	}
}

func TestTextLooksAtEachByteABoundedNumberOfTimes(t *testing.T) {
	for _, c := range redacttest.Corpus() {
		checkLinear(t, c.Text)
	}
	for _, unit := range []string{
		"eyJ-", "eyJ.", "sk-", "glpat-", "npm_", "://", "://a:b", "://a@", "@tcp(", "a:b@tcp(", "-----BEGIN ",
		"-----BEGIN PRIVATE KEY-----", "token", "token=", "token: ", "token[", "<token>", "<token>a", `"token":"`, `\"`, `\`,
		`"token":"\`, "token=true ", "bearer ", "4", "4111 ", "4111-", "4-", "pass=1", `'`, "[", "token={[(", "authorization:'", "--token", "--token ", "--", "<token a=", "<token a=b>", "<a ",
	} {
		checkLinear(t, unit)
	}
}

func FuzzTextIsLinear(f *testing.F) {
	for _, c := range redacttest.Corpus() {
		f.Add(c.Text)
	}
	f.Fuzz(func(t *testing.T, s string) { checkLinear(t, s[:min(len(s), 512)]) })
}
