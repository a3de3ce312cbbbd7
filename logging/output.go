package logging

import (
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
)

// output is what all cores of one logger share: where lines go, and how they look. All but the caches
// and the pool is immutable.
type output struct {
	human    bool // lines for people
	colour   bool
	redact   *redactor
	maxField int // negative: no bound
	maxEntry int // negative: no bound

	std      Names // the names as they stand in a line: ,"name":
	resource string
	headSize int
	reserved map[string]bool

	keys     cache[string, *keyInfo]
	recent   slots[keyInfo] // before keys, for speed
	places   slots[place]
	tags     tags
	encoders sync.Pool

	sampler *sampler // nil: every line is written
	exports []zapcore.Core

	w     io.Writer // as it was given
	lines *writer
}

// keyInfo is what is known about the key of a field.
type keyInfo struct {
	source      string // as the program writes it
	name        string // by which it is compared: as a reader of the line decodes it
	json, human string // as it stands in a line, without what precedes
	secret      bool
	reserved    bool // the name of something that every line has
}

func newOutput(cfg Config, service string, complaints io.Writer, getenv func(string) string) *output {
	o := &output{
		human: cfg.Format == FormatConsole, redact: newRedactor(cfg),
		maxField: cfg.MaxFieldBytes, maxEntry: cfg.MaxEntryBytes,
		std: cfg.Names, reserved: make(map[string]bool), w: cfg.Output,
		lines: newWriter(writerTo(cfg.Output), complaints), exports: cfg.Exports,
	}
	if cfg.MaxRepeatsPerSecond > 0 {
		o.sampler = newSampler(cfg.MaxRepeatsPerSecond)
	}
	o.colour = o.human && coloured(cfg.Output)
	for _, f := range o.std.fields() {
		if *f.name == omit {
			*f.name = ""
			continue
		}
		o.reserved[*f.name] = true
		if info := o.makeKey(*f.name); o.human {
			*f.name = " " + info.human
		} else {
			*f.name = "," + info.json
		}
	}
	if !o.human {
		o.resource = o.makeResource(resource(service, cfg.Version, getenv))
	}
	o.headSize = len(o.resource) + len(o.std.TraceID) + len(o.std.SpanID) + len(o.std.TraceFlags) + 64
	o.encoders.New = func() any { return &encoder{out: o} }
	return o
}

type syncer interface{ Sync() error }

// writerTo does not let the runtime end the program for the sake of a log line.
func writerTo(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && (f == os.Stdout || f == os.Stderr) {
		return durable(f)
	}
	return w
}

// makeResource returns the members that say who writes. People know it.
func (o *output) makeResource(service, version string) string {
	var b []byte
	if o.std.Service != "" {
		b = appendQuoted(append(b, o.std.Service...), service)
	}
	if o.std.Version != "" && version != "" {
		b = appendQuoted(append(b, o.std.Version...), version)
	}
	return string(b)
}

func (k *keyInfo) of(human bool) string {
	if human {
		return k.human
	}
	return k.json
}

// key returns what is known about a key, and remembers it if the key comes from the program's text.
func (o *output) key(name string, remember bool) *keyInfo {
	slot := o.recent.ofText(name)
	if info := slot.Load(); info != nil && info.source == name {
		return info
	}
	info, known := o.keys.get(name)
	if !known {
		info = o.makeKey(name)
	}
	if remember && len(name) <= maxKeyBytes {
		if !known {
			o.keys.put(name, info)
		}
		slot.Store(info)
	}
	return info
}

// maxKeyBytes bounds names of fields: what is longer is no name.
const maxKeyBytes = 256

func (o *output) makeKey(name string) *keyInfo {
	shown := keyName(o.redact.text(bounded(name, maxKeyBytes+overlap)))
	return &keyInfo{
		source:   name,
		name:     shown,
		json:     string(append(appendQuoted(nil, shown), ':')),
		human:    string(append(appendBare(nil, shown), '=')),
		secret:   o.redact.key(shown),
		reserved: o.reserved[shown],
	}
}

// keyName is a key as it is written. Two keys that are written alike are one.
func keyName(name string) string {
	return strings.ToValidUTF8(bounded(name, maxKeyBytes), string(utf8.RuneError))
}

// sync flushes what can be flushed. Terminals, pipes and sockets answer Sync with an error, which would
// make every orderly end of a program look like a failed one (zap #328).
func (o *output) sync() error {
	if f, ok := o.w.(*os.File); ok {
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
	}
	if s, ok := o.w.(syncer); ok {
		return o.lines.sync(s)
	}
	return nil
}

// colours of levels: SGR parameters of ECMA-48.
func levelColour(l zapcore.Level) string {
	switch {
	case l <= zapcore.DebugLevel:
		return "2" // faint
	case l == zapcore.InfoLevel:
		return "32" // green
	case l == zapcore.WarnLevel:
		return "33" // yellow
	}
	return "31" // red
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
