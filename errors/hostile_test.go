package errors_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// talkative is a wrapper that asks the next error for its text, as most do.
type talkative struct{ next error }

func (w *talkative) Error() string { return "talk: " + w.next.Error() }
func (w *talkative) Unwrap() error { return w.next }

// many is a join of somebody's own.
type many struct{ list []error }

func (m *many) Error() string {
	var b strings.Builder
	for _, err := range m.list {
		if err != nil {
			b.WriteString(err.Error())
		}
	}
	return b.String()
}
func (m *many) Unwrap() []error { return m.list }

// broken errors panic in the method of their name.
type (
	brokenError  struct{}
	brokenIs     struct{}
	brokenUnwrap struct{}
	brokenJoin   struct{}
	brokenCode   struct{}
	brokenReason struct{}
	brokenWait   struct{}
	nilPointer   struct {
		text string
		next error
	}
)

func (brokenError) Error() string            { panic("Error") }
func (brokenIs) Error() string               { return "broken" }
func (brokenIs) Is(error) bool               { panic("Is") }
func (brokenIs) As(any) bool                 { panic("As") }
func (brokenUnwrap) Error() string           { return "broken" }
func (brokenUnwrap) Unwrap() error           { panic("Unwrap") }
func (brokenJoin) Error() string             { return "broken" }
func (brokenJoin) Unwrap() []error           { panic("Unwrap") }
func (brokenCode) Error() string             { return "broken" }
func (brokenCode) Code() errors.Code         { panic("Code") }
func (brokenReason) Error() string           { return "broken" }
func (brokenReason) Code() errors.Code       { return errors.Aborted }
func (brokenReason) Reason() string          { panic("Reason") }
func (brokenWait) Error() string             { return "broken" }
func (brokenWait) RetryAfter() time.Duration { panic("RetryAfter") }
func (p *nilPointer) Error() string          { return p.text }
func (p *nilPointer) Unwrap() error          { return p.next }
func (p *nilPointer) Is(target error) bool   { return p.text == target.Error() }

// cycle leads from *Error through a wrapper that asks for texts back to itself.
func cycle() error {
	w := &talkative{}
	w.next = errors.NotFound.New("round").WithCause(w)
	return w
}

func joinCycle() error {
	m := &many{}
	m.list = []error{errors.NotFound.New("x"), m, nil}
	return m
}

// diamonds is a graph of 60 errors with 2^60 paths.
func diamonds() error {
	err := error(errors.NotFound.New("x"))
	for range 60 {
		err = &many{[]error{err, err}}
	}
	return err
}

func ours(n int, wrap func(error) error) error {
	err := io.EOF
	for range n {
		err = wrap(err)
	}
	return err
}

func TestAbsurdErrorsHaveAnAnswer(t *testing.T) {
	const million, plenty = 1_000_000, 100_000 // plenty is more than is looked at
	var nilError *errors.Error
	var nilDefined *errors.DefinedError
	var typedNil *nilPointer
	for _, c := range []struct {
		name  string
		err   error
		code  errors.Code
		retry errors.Retry
		text  string // what the text holds
	}{
		{"a cycle", cyclic(), errors.Unknown, errors.RetryNever, "chain of more than 1000 errors"},
		{"a cycle below an Error", errors.NotFound.Wrap(cyclic(), "m"), errors.NotFound, errors.RetryNever, "not_found: m: <*errors_test.loop, a chain"},
		{"a cycle through an Error", errors.NotFound.Wrap(cycle(), "m"), errors.NotFound, errors.RetryNever, "not_found: m: <*errors_test.talkative, a chain"},
		{"a cycle in a mark", errors.MarkRetryable(cyclic(), true), errors.Unknown, errors.RetryAlways, "chain of more than"},
		{"a cycle of joins", errors.Unavailable.Wrap(joinCycle(), ""), errors.Unavailable, errors.RetryAlways, "unavailable: <*errors_test.many, a chain"},
		{"a cycle of joins itself", joinCycle(), errors.Unknown, errors.RetryNever, "chain of more than"},
		{"diamonds", errors.MarkExhausted(diamonds()), errors.Unknown, errors.RetryNever, "chain of more than"},
		{"a million of ours", ours(million, func(err error) error { return errors.NotFound.Wrap(err, "m") }), errors.NotFound, errors.RetryNever, "not_found: m: not_found: m: "},
		{"many of ours with stacks", ours(plenty, func(err error) error { return errors.Internal.Wrap(err, "") }), errors.Internal, errors.RetryNever, "internal: internal: "},
		{"many of both kinds", ours(plenty, func(err error) error { return errors.Internal.Wrap(errors.NotFound.Wrap(err, ""), "") }), errors.Internal, errors.RetryNever, "internal: not_found: "},
		{"many marks", ours(plenty, errors.MarkExhausted), errors.Unknown, errors.RetryNever, "chain of more than"},
		{"a million of somebody's", errors.NotFound.Wrap(ours(million, func(err error) error { return &talkative{err} }), "m"), errors.NotFound, errors.RetryNever, "not_found: m: <*errors_test.talkative, a chain"},
		{"ours and somebody's in turn", ours(plenty, func(err error) error { return errors.NotFound.Wrap(&talkative{err}, "m") }), errors.NotFound, errors.RetryNever, "not_found: m: <*errors_test.talkative, a chain"},
		{"a million joined", errors.NotFound.Wrap(joined(errors.NotFound, million), "m"), errors.NotFound, errors.RetryNever, "not_found: m: <*errors.joinError, a chain"},
		{"many joined one by one", errors.NotFound.Wrap(oneByOne(plenty), "m"), errors.NotFound, errors.RetryNever, "not_found: m: <*errors_test.many, a chain"},
		{"a nil *Error inside", errors.Aborted.Wrap(nilError, "m"), errors.Aborted, errors.RetryOperation, "aborted: m: <nil *errors.Error>"},
		{"a nil *Error", nilError, errors.Unknown, errors.RetryNever, "<nil *errors.Error>"},
		{"a nil *DefinedError inside", errors.Aborted.Wrap(nilDefined, ""), errors.Aborted, errors.RetryOperation, "aborted: <nil *errors.DefinedError>"},
		{"a typed nil", errors.MarkExhausted(typedNil), errors.Unknown, errors.RetryNever, "<*errors_test.nilPointer, whose text is not to be had>"},
		{"a typed nil inside", errors.Aborted.Wrap(typedNil, "m"), errors.Aborted, errors.RetryOperation, "aborted: m: <*errors_test.nilPointer, whose"},
		{"an Unwrap that returns nil", errors.Aborted.Wrap(&loop{}, ""), errors.Aborted, errors.RetryOperation, "aborted: loop"},
		{"an Unwrap that returns nil, outside", &loop{}, errors.Unknown, errors.RetryNever, "loop"},
		{"joined nils", &many{[]error{nil, errors.Unavailable, nil}}, errors.Unavailable, errors.RetryAlways, "unavailable"},
		{"nothing but joined nils", &many{[]error{nil, nil}}, errors.Unknown, errors.RetryNever, ""},
		{"an empty join", &many{}, errors.Unknown, errors.RetryNever, ""},
		{"an empty join inside", errors.Unavailable.Wrap(&many{}, ""), errors.Unavailable, errors.RetryAlways, "unavailable: "},
		{"an Error that panics", errors.Unavailable.Wrap(brokenError{}, "m"), errors.Unavailable, errors.RetryAlways, "unavailable: m: <errors_test.brokenError, whose text is not to be had>"},
		{"an Is that panics", errors.MarkExhausted(brokenIs{}), errors.Unknown, errors.RetryNever, "broken"},
		{"an Unwrap that panics", errors.Unavailable.Wrap(brokenUnwrap{}, ""), errors.Unavailable, errors.RetryAlways, "unavailable: broken"},
		{"an Unwrap that panics, outside", brokenUnwrap{}, errors.Unknown, errors.RetryNever, "broken"},
		{"a join that panics", brokenJoin{}, errors.Unknown, errors.RetryNever, "broken"},
		{"a Code that panics", brokenCode{}, errors.Unknown, errors.RetryNever, "broken"},
		{"a Reason that panics", brokenReason{}, errors.Aborted, errors.RetryOperation, "broken"},
		{"a RetryAfter that panics", errors.Unavailable.Wrap(brokenWait{}, ""), errors.Unavailable, errors.RetryAlways, "unavailable: broken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := errors.CodeOf(c.err); got != c.code {
				t.Errorf("CodeOf: %v, want %v", got, c.code)
			}
			if got := errors.RetryOf(c.err); got != c.retry {
				t.Errorf("RetryOf: %v, want %v", got, c.retry)
			}
			attrs := errors.LogAttrs(c.err)
			if text := attrs[0].Value.String(); !strings.Contains(text, c.text) || len(text) > 17<<10 {
				t.Errorf("message of %d bytes: %.200s, want %q", len(text), text, c.text)
			}
			for what, text := range map[string]string{
				"Fingerprint": errors.Fingerprint(c.err),
				"problem":     string(errors.NewProblem(c.err).AppendJSON(nil)),
			} {
				if !strings.Contains(text, c.code.String()) {
					t.Errorf("%s: %s", what, text)
				}
			}
			_, _, _ = errors.Exhausted(c.err), errors.RetryAfter(c.err), errors.ReasonOf(c.err)
			_ = slices.Collect(errors.StackTrace(c.err))
			_, _ = errors.Remote(c.err), errors.Local(errors.PassOn(c.err))
			outer := errors.Internal.Wrap(c.err, "outer")
			for _, format := range []string{"%v", "%+v", "%q"} {
				if text := fmt.Sprintf(format, outer); !strings.Contains(text, "internal: outer") || len(text) > 100<<10 {
					t.Errorf("%s: %d bytes: %.200s", format, len(text), text)
				}
			}
			if got, err := json.Marshal(outer); err != nil || !strings.Contains(string(got), `"detail":"outer"`) {
				t.Errorf("JSON: %s, %v", got, err)
			}
			slog.New(slog.DiscardHandler).Error("x", "error", outer)
			_ = outer.(slog.LogValuer).LogValue()
		})
	}
}

// oneByOne is what a loop makes that adds to its errors.
func oneByOne(n int) error {
	errs := io.EOF
	for range n {
		errs = &many{[]error{errs, io.EOF}}
	}
	return errs
}

// A chain of ours is cut in its text, and nowhere else.
func TestErrorTextIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 20_000)
	for name, err := range map[string]error{
		"a long message":       errors.NotFound.New(long),
		"a long cause":         errors.NotFound.Wrap(errors.New(long), ""),
		"a long chain of ours": ours(10_000, func(err error) error { return errors.NotFound.Wrap(err, "message") }),
	} {
		text := err.Error()
		if len(text) > 17<<10 || len(text) < 15<<10 || !strings.HasSuffix(text, "…") || strings.ContainsRune(text, '\ufffd') {
			t.Errorf("%s: %d bytes that end with %q", name, len(text), text[len(text)-8:])
		}
	}
}

func TestAttributesForTheLogAreBounded(t *testing.T) {
	err := errors.NotFound.New("x")
	for i := range 10_000 {
		err = err.WithAttrs(slog.Int(fmt.Sprint(i), i))
	}
	if n := len(err.Attrs()); n != 64 {
		t.Errorf("%d attributes are kept", n)
	}
}
