package httpconv

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Headers by which the SDK's client and server talk to each other. Services of different releases
// meet, so they are part of the wire format and never change.
const (
	// RequestTimeout carries how much time the caller has left, in whole milliseconds.
	RequestTimeout = "Request-Timeout-Ms"
	// RetryExhausted is "1" on a response whose sender has used up its own attempts.
	RetryExhausted = "Retry-Exhausted"
	// IdempotencyKey makes a POST or PATCH safe to retry.
	IdempotencyKey = "Idempotency-Key"
	// RetryAfter is the standard header of RFC 9110, section 10.2.3.
	RetryAfter = "Retry-After"
)

// MaxTimeout is the longest time that [ParseTimeout] returns.
const MaxTimeout = 24 * time.Hour

// FormatTimeout returns the value of Request-Timeout-Ms for the time that is left: whole milliseconds,
// rounded down, at least 1.
func FormatTimeout(left time.Duration) string {
	return strconv.FormatInt(max(left.Milliseconds(), 1), 10)
}

// ParseTimeout reads Request-Timeout-Ms. It reports false for anything but one to twelve digits with a
// value above zero, and returns at most [MaxTimeout].
func ParseTimeout(value string) (time.Duration, bool) {
	if len(value) == 0 || len(value) > 12 || !digits(value) {
		return 0, false
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ms == 0 {
		return 0, false
	}
	return min(time.Duration(ms)*time.Millisecond, MaxTimeout), true
}

// ParseRetryAfter reads Retry-After: seconds, or a date, which is compared with now. It reports false
// where the value is neither; a date in the past is 0, true. What does not fit a Duration is the
// longest Duration: the caller has a limit of its own.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > 64 {
		return 0, false
	}
	if digits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	for _, layout := range dateLayouts {
		if date, err := time.Parse(layout, value); err == nil {
			return max(date.Sub(now), 0), true
		}
	}
	return 0, false
}

// dateLayouts are the three forms of a date that a recipient must accept (RFC 9110, section 5.6.7).
var dateLayouts = [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}

// FormatRetryAfter returns the value of Retry-After: whole seconds, rounded up, so that a caller that
// waits for them is not early.
func FormatRetryAfter(wait time.Duration) string {
	if wait <= 0 {
		return "0"
	}
	return strconv.FormatInt(int64((wait-1)/time.Second)+1, 10)
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
