package logging

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.uber.org/zap/zapcore"
)

// Defaults of [Config].
const (
	// DefaultLevel is the level of a logger whose Config names none.
	DefaultLevel = "info"
	// DefaultMaxFieldBytes is the size at which container runtimes start to split lines (containerd and
	// Docker: 16 KiB).
	DefaultMaxFieldBytes = 16 << 10
	// DefaultMaxEntryBytes is half of the smallest limit of common log stores (256 KB: Loki, Google Cloud
	// Logging), which leaves room for what collectors add.
	DefaultMaxEntryBytes = 128 << 10
)

// A Format is how lines look.
type Format uint8

const (
	// FormatAuto is FormatConsole if the output is a terminal, and FormatJSON otherwise.
	FormatAuto Format = iota
	// FormatJSON writes one JSON object a line.
	FormatJSON
	// FormatConsole writes lines for people: time of day, level, message, key=value. Its details may
	// change; programs should read JSON.
	FormatConsole
)

// String returns auto, json or console.
func (f Format) String() string {
	switch f {
	case FormatAuto:
		return "auto"
	case FormatJSON:
		return "json"
	case FormatConsole:
		return "console"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Config says how a logger of [New] writes. Its zero value is right for a service in production.
type Config struct {
	// Level is the least level that is written, such as "warn", also by the loggers' names:
	// "kafka=debug,*=info". See [Levels.Set] for the whole form. Empty: "info".
	Level string

	// Format is how lines look. Zero: JSON, or a form for people if Output is a terminal.
	Format Format

	// Output is where lines go, each in one call of Write, one at a time. A Sync method is called by
	// the logger's Sync and after lines above error level. Lines that it does not take, because it fails,
	// panics or has not taken another one for five to ten seconds, are dropped, counted and reported on
	// standard error and, later, here. Nobody closes it. Nil: os.Stdout.
	Output io.Writer

	// Version is the service's version. Empty: service.version of OTEL_RESOURCE_ATTRIBUTES, else the
	// version of the main module, else its commit; left out of the lines if there is none of these.
	Version string

	// Names are the keys of what every line has. Zero: those of OpenTelemetry's log data model.
	Names Names

	// NoCaller leaves out the file and the line of the call. Finding them costs about as much as the
	// rest of a short line.
	NoCaller bool

	// NoRedaction writes secrets as they are. It is for the debugging of tests only.
	NoRedaction bool

	// SecretKeys are more names of secrets, besides password, token, authorization and their like.
	// Case and separators do not matter; the whole name has to match. Nil: none.
	SecretKeys []string

	// SecretPatterns match more secrets in texts (values, messages, errors), besides Bearer tokens,
	// private keys, card numbers and their like. What matches is replaced. Each costs a search in every
	// text that is written. Nil: none.
	SecretPatterns []*regexp.Regexp

	// PlainKeys are names that only look like secrets, and are written. They win over SecretKeys.
	// Case and separators do not matter. Texts under them are still searched. Nil: none.
	PlainKeys []string

	// MaxFieldBytes bounds each text of a line, the message too; a longer one is cut and says so.
	// Zero: 16 KiB. Negative: no bound.
	MaxFieldBytes int

	// MaxEntryBytes bounds a line. Fields that no longer fit are left out, and their number is written
	// as log.dropped_fields; the time, the level, the message and the trace ids are always there. The
	// logger's fields get half of it at most, and with the context's three quarters.
	// Zero: 128 KiB. Negative: no bound.
	MaxEntryBytes int

	// MaxRepeatsPerSecond bounds how many lines with the same level, logger's name and message are
	// written in each second; further ones are left out. Their number is reported by the first line in a
	// later second, or by Sync. Lines at error and above are always written. At most 4096 different lines
	// a second are counted; others are written. Zero or negative: every line is written.
	MaxRepeatsPerSecond int

	// Exports also get each line, after Output and also where that loses it: with the message and the
	// fields as JSON has them (without secrets, bounded, no key twice, errors with all they know), and with
	// the span in a context that a field without a type carries, as OpenTelemetry's bridge expects it. Their
	// own levels hold as well. They are synced with the logger. See package logging/otlp. Nil: none.
	Exports []zapcore.Core
}

// Names are the keys of what every line has. Empty: the default that each field's comment gives, by
// OpenTelemetry's log data model and semantic conventions. "-": left out.
type Names struct {
	Time       string // timestamp: RFC 3339 in UTC, with nanoseconds
	Level      string // severity_text: TRACE, DEBUG, INFO, WARN, ERROR, DPANIC, PANIC, FATAL
	Logger     string // otel.scope.name: the logger's name, if it has one
	Message    string // body
	File       string // code.file.path: of the call, with its folder
	Line       string // code.line.number: of the call
	Stack      string // code.stacktrace: of the call, if the logger has zap.AddStacktrace
	TraceID    string // trace_id: 32 hex digits, if there is a span
	SpanID     string // span_id: 16 hex digits, if there is a span
	TraceFlags string // trace_flags: 01 if the trace is sampled, 00 if not; if there is a span
	Service    string // service.name
	Version    string // service.version, if it is known
}

var defaultNames = Names{
	Time: "timestamp", Level: "severity_text", Logger: "otel.scope.name", Message: "body",
	File: "code.file.path", Line: "code.line.number", Stack: "code.stacktrace",
	TraceID: "trace_id", SpanID: "span_id", TraceFlags: "trace_flags",
	Service: "service.name", Version: "service.version",
}

// withDefaults returns the configuration as it takes effect, and every fault in it.
func (c Config) withDefaults(service string) (Config, error) {
	var faults []error
	if service == "" {
		faults = append(faults, errors.New("service: must not be empty"))
	}
	c.Level = cmp.Or(c.Level, DefaultLevel)
	if _, err := parseRules(c.Level); err != nil {
		faults = append(faults, fmt.Errorf("Config.Level: %w", err))
	}
	if c.Format > FormatConsole {
		faults = append(faults, fmt.Errorf("Config.Format: unknown format %d", c.Format))
	}
	if c.Output == nil {
		c.Output = os.Stdout
	}
	if c.Format == FormatAuto {
		c.Format = FormatJSON
		if terminal(c.Output) {
			c.Format = FormatConsole
		}
	}
	for i, p := range c.SecretPatterns {
		if p == nil {
			faults = append(faults, fmt.Errorf("Config.SecretPatterns[%d]: must not be nil", i))
		}
	}
	for i, e := range c.Exports {
		if e == nil {
			faults = append(faults, fmt.Errorf("Config.Exports[%d]: must not be nil", i))
		}
	}
	c.MaxFieldBytes = cmp.Or(c.MaxFieldBytes, DefaultMaxFieldBytes)
	c.MaxEntryBytes = cmp.Or(c.MaxEntryBytes, DefaultMaxEntryBytes)
	faults = append(faults, c.Names.setDefaults()...)
	return c, errors.Join(faults...)
}

// setDefaults fills in the defaults and returns the names that stand for two things.
func (n *Names) setDefaults() (faults []error) {
	owner := make(map[string]string)
	for _, f := range n.fields() {
		*f.name = cmp.Or(*f.name, *f.fallback)
		if *f.name == omit {
			continue
		}
		if other, taken := owner[*f.name]; taken {
			faults = append(faults, fmt.Errorf("Config.Names.%s: %q is also the name of %s", f.field, *f.name, other))
		}
		owner[*f.name] = f.field
	}
	return faults
}

// omit is the name of what is left out.
const omit = "-"

type nameField struct {
	field          string
	name, fallback *string
}

func (n *Names) fields() []nameField {
	d := defaultNames
	return []nameField{
		{"Time", &n.Time, &d.Time},
		{"Level", &n.Level, &d.Level},
		{"Logger", &n.Logger, &d.Logger},
		{"Message", &n.Message, &d.Message},
		{"File", &n.File, &d.File},
		{"Line", &n.Line, &d.Line},
		{"Stack", &n.Stack, &d.Stack},
		{"TraceID", &n.TraceID, &d.TraceID},
		{"SpanID", &n.SpanID, &d.SpanID},
		{"TraceFlags", &n.TraceFlags, &d.TraceFlags},
		{"Service", &n.Service, &d.Service},
		{"Version", &n.Version, &d.Version},
	}
}

// terminal reports whether w is a terminal, as far as the standard library can tell: also /dev/null is
// one by this measure, where the form does not matter.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// coloured reports whether lines for people may have colours (no-color.org).
func coloured(w io.Writer) bool {
	return terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
