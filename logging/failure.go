package logging

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"

	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/errors"
)

// Keys of the error that a line is about, by OpenTelemetry's semantic conventions (exceptions in logs).
const (
	keyErrorType = "error.type"
	keyMessage   = "exception.message"
	keyTrace     = "exception.stacktrace"
	keyError     = "error"
)

// maxErrors bounds the tree of an error as it is printed.
const maxErrors = 32

// addError writes an error. The one that a line is about (the field error or err at the top level) goes
// under the names of the semantic conventions, with what they have no name for in the object error;
// another one is an object under its own key.
func (e *encoder) addError(key string, err error) {
	if err == nil {
		return
	}
	if len(e.open) > 1 || key != keyError && key != "err" {
		if e.begin(key) {
			_ = e.object(failure{err: err, whole: true}) // never fails
		}
		return
	}
	another := e.find(keyMessage) >= 0
	e.AddString(keyErrorType, errors.CodeOf(err).String())
	e.AddString(keyMessage, oneLine(err, err.Error(), maxErrors))
	stack := stackOf(err)
	switch i := e.find(keyTrace); {
	case stack != "":
		e.mark()
		e.addStack(keyTrace, stack)
		e.release()
	case another && i >= 0:
		e.remove(i) // the stack of an error that this one replaces
	}
	e.mark() // details that do not fit cost neither the text nor the type
	e.addDetails(err)
	e.release()
}

// addDetails writes what the semantic conventions have no name for, if there is any.
func (e *encoder) addDetails(err error) {
	if !e.begin(keyError) {
		return
	}
	_ = e.object(failure{err: err}) // never fails
	if bytes.HasSuffix(e.buf, []byte("{}")) {
		e.remove(len(e.keys) - 1)
	}
}

func (e *encoder) addStack(key, stack string) {
	if e.human && e.line {
		e.addTrailer(stack)
		return
	}
	e.AddString(key, stack)
}

func (e *encoder) addErrors(key string, errs []error) {
	if e.begin(key) {
		_ = e.array(failures(errs)) // never fails
	}
}

// failures is a list of errors.
type failures []error

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (fs failures) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, err := range fs {
		if err == nil {
			continue
		}
		if failed := enc.AppendObject(failure{err: err, whole: true}); failed != nil {
			return failed
		}
	}
	return nil
}

// errorsOf knows a list of errors by any name, such as that of zap.Errors.
func errorsOf(v any) ([]error, bool) {
	list := reflect.TypeFor[[]error]()
	if r := reflect.ValueOf(v); r.IsValid() && r.Kind() == reflect.Slice && r.Type().Elem() == list.Elem() {
		return r.Convert(list).Interface().([]error), true
	}
	return nil, false
}

// failure is what is known about an error, as an object.
type failure struct {
	err   error
	whole bool // with code, text and stack, which are elsewhere if the line is about the error
}

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (f failure) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	tree := readTree(f.err)
	if f.whole {
		enc.AddString("message", oneLine(f.err, f.err.Error(), maxErrors))
	}
	if f.whole || tree.coded {
		f.describe(enc)
	}
	tree.addDetails(enc)
	if members := membersOf(f.err); members != nil {
		_ = enc.AddArray("members", causes(members)) // never fails
	} else if chain := chainOf(f.err, maxErrors); len(chain) > 1 {
		_ = enc.AddArray("causes", links(chain[1:])) // never fails
	}
	stack := stackOf(f.err)
	if tree.coded || stack != "" {
		enc.AddString("fingerprint", errors.Fingerprint(f.err))
	}
	if f.whole && stack != "" {
		enc.AddString("stacktrace", stack)
	}
	return nil
}

// describe writes code, reason and domain, and the attributes for the log in an object of their own.
func (f failure) describe(enc zapcore.ObjectEncoder) {
	var rest []slog.Attr
	for _, a := range errors.LogAttrs(f.err) {
		switch a.Key {
		case "message":
		case "code", "reason", "domain", "retry_exhausted":
			addAttr(enc, a.Key, a.Value)
		default:
			rest = append(rest, a)
		}
	}
	addGroup(enc, "attrs", rest)
}

// tree is what the errors of a tree carry, the outermost first.
type tree struct {
	coded      bool
	remote     *errors.Error
	metadata   []slog.Attr
	violations []errors.Violation
}

func readTree(err error) (t tree) {
	seen := make(map[string]bool)
	visit(err, maxErrors, func(err error) {
		own, ok := err.(*errors.Error) //nolint:errorlint // visit unwraps
		if !ok {
			if _, coded := err.(interface{ Code() errors.Code }); coded {
				t.coded = true
			}
			return
		}
		t.coded = true
		if own.Remote() && t.remote == nil {
			t.remote = own
		}
		for key, value := range own.Metadata() {
			if !seen[key] {
				seen[key] = true
				t.metadata = append(t.metadata, slog.String(key, value))
			}
		}
		t.violations = append(t.violations, own.Violations()...)
	})
	return t
}

func (t tree) addDetails(enc zapcore.ObjectEncoder) {
	if t.remote != nil {
		enc.AddBool("remote", true)
		if id := t.remote.TraceID(); id != "" {
			enc.AddString("remote_trace_id", id)
		}
	}
	slices.SortFunc(t.metadata, func(a, b slog.Attr) int { return cmp.Compare(a.Key, b.Key) })
	addGroup(enc, "metadata", t.metadata)
	if len(t.violations) > 0 {
		_ = enc.AddArray("violations", violations(t.violations)) // never fails
	}
}

// visit calls f for each error of the tree, the outermost first, and returns what is left of the budget.
func visit(err error, budget int, f func(error)) int {
	for err != nil && budget > 0 {
		budget--
		f(err)
		if members := membersOf(err); members != nil {
			for _, member := range members {
				budget = visit(member, budget, f)
			}
			return budget
		}
		err = errors.Unwrap(err)
	}
	return budget
}

func membersOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

// violations are faults in the input, as an array.
type violations []errors.Violation

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (vs violations) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, v := range vs {
		if err := enc.AppendObject(violation(v)); err != nil {
			return err
		}
	}
	return nil
}

// violation is a fault in the input, as an object.
type violation errors.Violation

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (v violation) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("pointer", v.Pointer)
	enc.AddString("detail", v.Detail)
	if v.Reason != "" {
		enc.AddString("reason", v.Reason)
	}
	return nil
}

// stackOf returns the stack of our errors in the form of a panic's; or, of an error that prints one by
// %+v as those of pkg/errors do, that text, however deep the error is wrapped (zap #941).
func stackOf(err error) string {
	var b []byte
	for frame := range errors.StackTrace(err) {
		b = append(append(b, frame.Function...), "\n\t"...)
		b = append(append(b, frame.File...), ':')
		b = append(strconv.AppendInt(b, int64(frame.Line), 10), '\n')
	}
	if len(b) > 0 {
		return string(b)
	}
	verbose := ""
	visit(err, maxErrors, func(err error) {
		if _, ours := err.(*errors.Error); ours || verbose != "" { //nolint:errorlint // visit unwraps
			return
		}
		if f, ok := err.(fmt.Formatter); ok {
			if text := fmt.Sprintf("%+v", f); text != err.Error() {
				verbose = text
			}
		}
	})
	return verbose
}
