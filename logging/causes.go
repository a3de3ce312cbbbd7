package logging

import (
	"reflect"
	"strings"

	"go.uber.org/zap/zapcore"

	"github.com/backend-platform/sdk/errors"
)

// oneLine writes the members of joined errors, which stand on a line each in text, one after another.
func oneLine(err error, text string, budget int) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	for ; err != nil && budget > 0; err = errors.Unwrap(err) {
		budget--
		members := membersOf(err)
		if members == nil {
			continue
		}
		var raw, parts []string
		for _, member := range members {
			if member != nil {
				raw = append(raw, member.Error())
				parts = append(parts, oneLine(member, member.Error(), budget))
			}
		}
		return strings.Replace(text, strings.Join(raw, "\n"), strings.Join(parts, "; "), 1)
	}
	return text
}

// link is one error of a chain: its type, and what it says besides what it wraps.
type link struct {
	kind, text string
	members    []error
}

// chainOf lists an error and what it wraps. An error that adds no word of its own, such as a mark, is
// left out; joined errors are the last link.
func chainOf(err error, budget int) (chain []link) {
	for ; err != nil && budget > 0; budget-- {
		if members := membersOf(err); members != nil {
			return append(chain, link{kind: typeOf(err), members: members})
		}
		inner := errors.Unwrap(err)
		l := link{kind: typeOf(err), text: ownText(err, inner)}
		if own, ok := err.(*errors.Error); ok { //nolint:errorlint // this loop unwraps
			l = link{kind: own.Code().String(), text: own.Message()}
		}
		if l.text != "" || inner == nil {
			chain = append(chain, l)
		}
		err = inner
	}
	return chain
}

func typeOf(err error) string { return reflect.TypeOf(err).String() }

func ownText(err, inner error) string {
	text := err.Error()
	if inner == nil {
		return text
	}
	own := strings.TrimSuffix(text, inner.Error())
	return oneLine(err, strings.TrimRight(own, ": "), maxErrors)
}

// links is a chain as an array.
type links []link

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (ls links) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, l := range ls {
		if err := enc.AppendObject(l); err != nil {
			return err
		}
	}
	return nil
}

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (l link) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("type", l.kind)
	if l.text != "" {
		enc.AddString("message", l.text)
	}
	if l.members == nil {
		return nil
	}
	return enc.AddArray("members", causes(l.members))
}

// causes are the members of a joined error.
type causes []error

// MarshalLogArray implements [zapcore.ArrayMarshaler].
func (cs causes) MarshalLogArray(enc zapcore.ArrayEncoder) error {
	for _, err := range cs[:min(len(cs), maxErrors)] {
		if err == nil {
			continue
		}
		if failed := enc.AppendObject(member{err}); failed != nil {
			return failed
		}
	}
	return nil
}

// member is one of a joined error.
type member struct{ err error }

// MarshalLogObject implements [zapcore.ObjectMarshaler].
func (m member) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("message", oneLine(m.err, m.err.Error(), maxErrors))
	chain := chainOf(m.err, maxErrors)
	if len(chain) == 0 {
		return nil
	}
	enc.AddString("type", chain[0].kind)
	if chain[0].members != nil {
		return enc.AddArray("members", causes(chain[0].members))
	}
	if len(chain) > 1 {
		return enc.AddArray("causes", links(chain[1:]))
	}
	return nil
}
