package tracing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backend-platform/sdk/internal/redact"
)

// environment reads OTEL_* variables and collects every fault, so that one start shows them all. The
// OpenTelemetry SDK ignores most faulty values, and the service then runs with something else than
// what its deployment says.
//
// An empty variable is an unset one, and space around a value does not count, as the specification says.
type environment struct {
	lookup func(name string) string
	faults []error
}

func (e *environment) get(name string) string { return strings.TrimSpace(e.lookup(name)) }

// fault adds a fault about a value, which it shows without what looks like a secret.
func (e *environment) fault(name, value, format string, args ...any) {
	e.faultf("%s=%q: %s", name, withoutSecrets(value), fmt.Sprintf(format, args...))
}

// faultf adds a fault once: a variable that serves traces and metrics is read twice.
func (e *environment) faultf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(e.faults, func(f error) bool { return f.Error() == text }) {
		e.faults = append(e.faults, errors.New(text))
	}
}

// boolean reads true or false in any case; unset is false.
func (e *environment) boolean(name string) bool {
	value := e.get(name)
	switch strings.ToLower(value) {
	case "true":
		return true
	case "", "false":
		return false
	}
	e.fault(name, value, "must be true or false")
	return false
}

// integer reads a whole number of at least one.
func (e *environment) integer(name string, fallback int) int {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		e.fault(name, value, "must be a whole number above zero")
		return fallback
	}
	return n
}

// milliseconds reads a duration. The specification gives zero different meanings in different
// variables; nothing here may be without bound.
func (e *environment) milliseconds(name string, fallback time.Duration) time.Duration {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/int64(time.Millisecond) {
		e.fault(name, value, "must be a whole number of milliseconds above zero")
		return fallback
	}
	return time.Duration(n) * time.Millisecond
}

// oneOf reads one of a few words, in any case, and returns it in lower case.
func (e *environment) oneOf(name, fallback string, words ...string) string {
	value := e.get(name)
	if value == "" {
		return fallback
	}
	if word := strings.ToLower(value); slices.Contains(words, word) {
		return word
	}
	e.fault(name, value, "must be one of %s", strings.Join(words, ", "))
	return fallback
}

// list reads words separated by commas, in any case, each at most once. The word none stands alone and means that
// there is none; ok is false where the variable is unset.
func (e *environment) list(name string, words ...string) (list []string, ok bool) {
	value := e.get(name)
	if value == "" {
		return nil, false
	}
	allowed := append(slices.Clone(words), "none")
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		switch word := strings.ToLower(item); {
		case word == "":
		case !slices.Contains(allowed, word):
			hint := ""
			if word == "prometheus" {
				hint = "; for Prometheus give Config.MetricReaders a handler of package tracing/prometheus"
			}
			e.fault(name, value, "%q is not supported: must be of %s%s", withoutSecrets(item), strings.Join(allowed, ", "), hint)
		case slices.Contains(list, word):
			e.fault(name, value, "%s is there twice", word)
		default:
			list = append(list, word)
		}
	}
	if !slices.Contains(list, "none") {
		return list, true
	}
	if len(list) > 1 {
		e.fault(name, value, "none does not go with others")
	}
	return nil, true
}

// pairs reads key=value pairs separated by commas, in their order, as they are written.
func pairs(value string, yield func(position int, key, value string, ok bool)) {
	position := 0
	for item := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		position++
		k, v, ok := strings.Cut(item, "=")
		yield(position, strings.TrimSpace(k), strings.TrimSpace(v), ok)
	}
}

// withoutSecrets returns a value as an error may show it: without credentials and query of a URL,
// also where it is no URL yet, without what is a secret by its form, and not longer than a line.
func withoutSecrets(value string) string {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		start := 0
		if i := strings.Index(value[:at], "://"); i >= 0 {
			start = i + len("://")
		}
		value = value[:start] + "REDACTED" + value[at:]
	}
	if i := strings.IndexAny(value, "?#"); i >= 0 {
		value = value[:i+1] + "REDACTED"
	}
	return clip(redact.Text(value), 200)
}

// clip returns at most limit bytes of a text and whole runes only.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
