package httpconv_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/backend-platform/sdk/internal/httpconv"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestParseRetryAfter(t *testing.T) {
	for _, c := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true},
		{"120", 2 * time.Minute, true},
		{" 3 ", 3 * time.Second, true},
		{"9300000000", math.MaxInt64, true}, // overflows nanoseconds
		{"99999999999999999999", math.MaxInt64, true},
		{now.Add(time.Minute).Format(http.TimeFormat), time.Minute, true},
		{now.Add(-time.Minute).Format(http.TimeFormat), 0, true},
		{"Friday, 02-Jan-26 03:05:05 GMT", time.Minute, true},
		{"Fri Jan  2 03:05:05 2026", time.Minute, true},
		{"", 0, false},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
	} {
		got, ok := httpconv.ParseRetryAfter(c.value, now)
		if got != c.want || ok != c.ok {
			t.Errorf("ParseRetryAfter(%q) = %v, %v, want %v, %v", c.value, got, ok, c.want, c.ok)
		}
	}
}

func TestFormatRetryAfterIsNeverEarly(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		-1: "0", 0: "0", 1: "1", time.Second: "1", time.Second + 1: "2", math.MaxInt64: "9223372037",
	} {
		if got := httpconv.FormatRetryAfter(wait); got != want {
			t.Errorf("FormatRetryAfter(%v) = %s, want %s", wait, got, want)
		}
	}
}

func TestTimeoutHeader(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1": time.Millisecond, "1500": 1500 * time.Millisecond, "999999999999": httpconv.MaxTimeout,
	} {
		if got, ok := httpconv.ParseTimeout(value); got != want || !ok {
			t.Errorf("ParseTimeout(%q) = %v, %v, want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "0", "-1", "+1", "1.5", "1s", " 1", "9999999999999", "1e3"} {
		if got, ok := httpconv.ParseTimeout(value); ok {
			t.Errorf("ParseTimeout(%q) = %v, want a refusal", value, got)
		}
	}
	if got := httpconv.FormatTimeout(time.Microsecond); got != "1" {
		t.Errorf("FormatTimeout of less than a millisecond = %s", got)
	}
}

func TestMethodKeepsCallersFromMakingUpSeries(t *testing.T) {
	for method, want := range map[string]string{"": "GET", "GET": "GET", "get": "_OTHER", "PATCH": "PATCH", "HACK": "_OTHER"} {
		if got := httpconv.Method(method); got != want {
			t.Errorf("Method(%q) = %s, want %s", method, got, want)
		}
	}
}

func TestSplitHostPort(t *testing.T) {
	for _, c := range []struct {
		in, host string
		port     int
	}{
		{"example.com", "example.com", 0},
		{"example.com:8080", "example.com", 8080},
		{"[::1]:80", "::1", 80},
		{"[::1]", "::1", 0},
		{"example.com:99999", "example.com", 0},
		{"example.com:x", "example.com", 0},
		{"", "", 0},
	} {
		if host, port := httpconv.SplitHostPort(c.in); host != c.host || port != c.port {
			t.Errorf("SplitHostPort(%q) = %q, %d, want %q, %d", c.in, host, port, c.host, c.port)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		major, minor int
		want         string
	}{{1, 1, "1.1"}, {1, 0, "1.0"}, {2, 0, "2"}, {3, 0, "3"}} {
		if got := httpconv.Version(c.major, c.minor); got != c.want {
			t.Errorf("Version(%d, %d) = %s, want %s", c.major, c.minor, got, c.want)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"120", "Fri, 02 Jan 2026 03:05:05 GMT", "9300000000", "-1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if wait, ok := httpconv.ParseRetryAfter(s, now); wait < 0 || !ok && wait != 0 {
			t.Errorf("ParseRetryAfter(%q) = %v, %v", s, wait, ok)
		}
		if left, ok := httpconv.ParseTimeout(s); ok && (left <= 0 || left > httpconv.MaxTimeout) {
			t.Errorf("ParseTimeout(%q) = %v", s, left)
		}
	})
}
