package httpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/backend-platform/sdk/errors"
)

// Faults of a JSON body, in our own words: encoding/json tells the first one only, in words and places
// that differ between versions of Go, and of members that are there twice it tells nothing. The body is
// walked once beside the shape of the type: for the names of its members where it could be decoded, for
// everything where it could not.

const (
	messageInvalid = "The request body is not valid."
	messageSyntax  = "The request body is not valid JSON."

	maxFaults = 100    // in one answer: whoever sends the body chooses how many there are
	maxLeaves = 10_000 // that are decoded a second time, by decoders of which nobody knows the cost
	maxDepth  = 100    // levels of nesting, in strict input
)

// faults are what is wrong with a body.
type faults struct {
	scanner
	lenient bool
	types   bool // look at values, too

	list   []errors.Violation
	syntax bool
	other  error // what encoding/json says of a body in which nothing else was found
	path   []step
	leaves int
}

// step is one level of the way to a value.
type step struct {
	name  []byte // nil: index counts
	index int
}

func (f *faults) invalid() error {
	message := messageInvalid
	if f.syntax {
		message = messageSyntax
	}
	return ErrInvalidBody.New(message).WithCause(f.other).WithViolations(f.list...)
}

// add notes a fault at the current path.
func (f *faults) add(detail, reason string) { f.addAt(f.pointer(), detail, reason) }

func (f *faults) addAt(pointer, detail, reason string) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, errors.Violation{Pointer: pointer, Detail: detail, Reason: reason})
	}
}

// full ends the search.
func (f *faults) full() bool { return len(f.list) >= maxFaults }

// namesOf finds the faults of strict input that encoding/json has taken: members that the type does
// not have, or that are there twice, and too many levels.
func namesOf[T any](body []byte) []errors.Violation {
	f := faults{scanner: scanner{data: body}}
	f.walk(shapeOf(reflect.TypeFor[T]()), 0)
	f.tellDepth()
	return f.list
}

// diagnose finds the faults of a body that is no T, of which encoding/json says err.
func diagnose[T any](body []byte, lenient bool, err error) *faults {
	f := &faults{scanner: scanner{data: body}, lenient: lenient, types: true}
	if f.findSyntax(); f.syntax {
		return f
	}
	f.walk(shapeOf(reflect.TypeFor[T]()), 0)
	f.tellDepth()
	if len(f.list) == 0 {
		f.addAt("", "does not have the expected form", "TYPE")
		f.other = err // the type itself may be at fault, which only the log can tell
	}
	return f
}

// tellDepth tells what concerns the body as a whole.
func (f *faults) tellDepth() {
	if f.deep {
		f.addAt("", fmt.Sprintf("is nested deeper than %d levels", maxDepth), "DEPTH")
	}
}

func (f *faults) findSyntax() {
	if detail := syntaxFault(f.data, f.lenient); detail != "" {
		f.syntax = true
		f.addAt("", detail, "SYNTAX")
	}
}

func syntaxFault(data []byte, lenient bool) string {
	s := scanner{data: data}
	if s.space(); s.pos == len(data) {
		return "is empty"
	}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return "begins with a byte order mark, which JSON must not have (RFC 8259, section 8.1)"
	}
	if at := notUTF8(data); at >= 0 && !lenient {
		return "is not UTF-8 at " + position(data, at)
	}
	ok := s.value(0)
	if ok {
		s.space()
	}
	switch {
	case s.deep:
		return "is nested too deeply"
	case !ok && s.pos == len(data):
		return "is not complete"
	case !ok:
		return "is not JSON at " + position(data, s.pos)
	case s.pos < len(data):
		return "has more than one value, from " + position(data, s.pos)
	}
	return ""
}

// position says where a byte is, for people: both count from one, columns in bytes.
func position(data []byte, at int) string {
	before := data[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, at-bytes.LastIndexByte(before, '\n'))
}

// walk looks at the next value.
func (f *faults) walk(s *shape, depth int) {
	f.space()
	c := f.peek()
	switch {
	case c == 'n', f.full(), s.kind == rawShape, !f.types && s.plain:
		f.pass(depth) // null fits everything: encoding/json leaves the value alone
	case depth >= maxDepth && !f.lenient:
		f.pass(depth)
	case c == '{' && s.kind == objectShape:
		f.walkObject(s, depth)
	case c == '{' && (s.kind == mapShape || s.kind == anyShape):
		f.walkMap(s, depth)
	case c == '[' && (s.kind == listShape || s.kind == anyShape):
		f.walkList(s, depth)
	default:
		f.walkLeaf(s, depth)
	}
}

// pass skips a value, but for its depth.
func (f *faults) pass(depth int) {
	if depth+f.skip() > maxDepth && !f.lenient {
		f.deep = true
	}
}

func (f *faults) walkObject(s *shape, depth int) {
	var few [4]uint64
	seen := few[:]
	if need := (len(s.fields) + 63) / 64; need > len(seen) {
		seen = make([]uint64, need)
	}
	for f.next() {
		name := f.name()
		f.path = append(f.path, step{name: name})
		i, known := s.byName[string(name)]
		switch {
		case !known:
			f.walkUnknown(s, name, depth)
		case seen[i/64]&(1<<(i%64)) != 0 && !f.lenient:
			f.add("is there more than once", "DUPLICATE")
			f.pass(depth + 1)
		default:
			seen[i/64] |= 1 << (i % 64)
			f.walkField(&s.fields[i], depth)
		}
		f.path = f.path[:len(f.path)-1]
	}
}

// walkUnknown looks at a member that the type does not have in this spelling.
func (f *faults) walkUnknown(s *shape, name []byte, depth int) {
	similar := s.similar(name)
	switch {
	case f.lenient && similar != nil:
		f.walkField(similar, depth)
		return
	case f.lenient:
	case similar != nil:
		f.add("is not a known member; there is one that is written "+similar.name, "UNKNOWN")
	default:
		f.add("is not a known member", "UNKNOWN")
	}
	f.pass(depth + 1)
}

func (f *faults) walkField(field *field, depth int) {
	if field.quoted && f.types {
		f.walkQuoted(field)
		return
	}
	f.walk(field.shape, depth+1)
}

// walkQuoted looks at a field with the option "string": its value is written inside a JSON string.
func (f *faults) walkQuoted(field *field) {
	raw := f.raw()
	var text string
	if string(raw) == "null" {
		return
	}
	if json.Unmarshal(raw, &text) != nil || text != "null" && !fits(field.shape.typ, []byte(text)) {
		f.add("must be a string that holds: "+strings.TrimPrefix(expectation(field.shape.typ), "must be "), "TYPE")
	}
}

// walkMap looks at an object whose members the type does not know beforehand.
func (f *faults) walkMap(s *shape, depth int) {
	var seen names
	for f.next() {
		name := f.name()
		f.path = append(f.path, step{name: name})
		switch {
		case !f.lenient && seen.add(name):
			f.add("is there more than once", "DUPLICATE")
			f.pass(depth + 1)
		case s.kind == anyShape:
			f.walk(s, depth+1)
		case f.types && !keyFits(s.typ.Key(), name):
			f.add("has a name that is not possible here", "TYPE")
			f.pass(depth + 1)
		default:
			f.walk(s.elem, depth+1)
		}
		f.path = f.path[:len(f.path)-1]
	}
}

// names are those of one object: a list as long as that is faster than a map.
type names struct {
	few  [][]byte
	many map[string]struct{}
}

// add reports whether the name was there before.
func (n *names) add(name []byte) bool {
	const most = 8
	if n.many == nil && len(n.few) < most {
		for _, known := range n.few {
			if bytes.Equal(known, name) {
				return true
			}
		}
		n.few = append(n.few, name)
		return false
	}
	if n.many == nil {
		n.many = make(map[string]struct{}, 4*most)
		for _, known := range n.few {
			n.many[string(known)] = struct{}{}
		}
	}
	before := len(n.many)
	n.many[string(name)] = struct{}{}
	return len(n.many) == before
}

func (f *faults) walkList(s *shape, depth int) {
	elem, length := s, math.MaxInt
	if s.kind == listShape {
		elem = s.elem
		if s.typ.Kind() == reflect.Array {
			length = s.typ.Len() // encoding/json drops what is beyond
		}
	}
	f.path = append(f.path, step{})
	last := len(f.path) - 1
	for i := 0; f.next(); i++ {
		f.path[last].index = i
		if i < length {
			f.walk(elem, depth+1)
		} else {
			f.pass(depth + 1)
		}
	}
	f.path = f.path[:last]
}

// walkLeaf looks at a value as a whole: one that decodes itself, or one of another kind than the type's.
func (f *faults) walkLeaf(s *shape, depth int) {
	from := f.pos
	f.pass(depth)
	if !f.types {
		return
	}
	raw := f.data[from:f.pos]
	if s.kind != leafShape && s.kind != anyShape {
		f.add(expectation(s.typ), "TYPE")
		return
	}
	if fit, known := fitsScalar(s.typ, raw); known {
		if !fit {
			f.add(expectation(s.typ), "TYPE")
		}
		return
	}
	if f.leaves++; f.leaves > maxLeaves {
		return
	}
	if err := json.Unmarshal(raw, reflect.New(s.typ).Interface()); err != nil {
		f.addCustom(s.typ, err)
	}
}

// addCustom tells of a value that a decoder of its own has refused. The decoder's text is private,
// unless it is the message of an InvalidArgument error.
func (f *faults) addCustom(t reflect.Type, err error) {
	if e, ok := find[*errors.Error](err); ok && e.Code() == errors.InvalidArgument && !e.Remote() && e.Message() != "" {
		f.add(e.Message(), e.Reason())
		return
	}
	f.add(expectation(t), "TYPE")
}

// raw reads one value, without the space around it.
func (f *faults) raw() []byte {
	f.space()
	from := f.pos
	f.skip()
	return f.data[from:f.pos]
}

// pointer is the path as a JSON pointer. The names are the caller's: they are cut where they are absurdly
// long.
func (f *faults) pointer() string {
	const longest = 128
	path := make([]any, len(f.path))
	for i, s := range f.path {
		switch {
		case s.name == nil:
			path[i] = s.index
		case len(s.name) > longest:
			path[i] = strings.ToValidUTF8(string(s.name[:longest]), "") + "…"
		default:
			path[i] = string(s.name)
		}
	}
	return errors.Pointer(path...)
}
