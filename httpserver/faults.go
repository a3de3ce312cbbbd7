package httpserver

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// Faults of a JSON body, in our own words. encoding/json has refused the body when this begins; it
// says only the first fault, in words and places that differ between versions of Go. The body is
// walked again beside the type that it should have had.

const (
	messageInvalid = "The request body is not valid."
	messageSyntax  = "The request body is not valid JSON."

	// The search for faults costs more than decoding did, and whoever sends the body chooses its form,
	// so the search has bounds: what they leave unseen is told without its place.
	maxFaults = 100    // in one answer
	maxValues = 10_000 // that are looked at
	maxDepth  = 100    // of nesting
	maxReads  = 16     // of each byte: every level of nesting reads what lies below it again
)

// faults are what is wrong with a body.
type faults struct {
	list    []errors.Violation
	values  int // that may still be looked at
	bytes   int // that may still be read
	lenient bool
	types   bool // one of them is a wrong type, so there is no value
	syntax  bool
}

func (f *faults) invalid() error {
	message := messageInvalid
	if f.syntax {
		message = messageSyntax
	}
	return ErrInvalidBody.New(message).WithViolations(f.list...)
}

func (f *faults) add(pointer, detail, reason string) {
	if len(f.list) < maxFaults {
		f.list = append(f.list, errors.Violation{Pointer: pointer, Detail: detail, Reason: reason})
	}
}

func (f *faults) exhausted() bool {
	return f.values < 0 || f.bytes < 0 || len(f.list) >= maxFaults
}

func (f *faults) wrongType(pointer, detail string) {
	f.types = true
	f.add(pointer, detail, "TYPE")
}

// diagnose finds the faults of a body that is no T. It reports true if the body would be one but for
// unknown members.
func diagnose[T any](body []byte, lenient bool) (f *faults, usable bool) {
	f = &faults{lenient: lenient, values: maxValues, bytes: maxReads * (len(body) + 1)}
	if detail := syntaxFault(body); detail != "" {
		f.syntax = true
		f.add("", detail, "SYNTAX")
		return f, false
	}
	f.walk(reflect.TypeFor[T](), body, "#", 0)
	if len(f.list) == 0 {
		f.wrongType("", "does not have the expected form")
	}
	return f, !f.types
}

func syntaxFault(body []byte) string {
	if onlySpace(body) {
		return "is empty"
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	var value json.RawMessage
	err := decoder.Decode(&value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line, column := position(body, syntax.Offset)
		return fmt.Sprintf("is not JSON at line %d, column %d", line, column)
	}
	if err != nil {
		return "is not complete"
	}
	if rest := bytes.TrimLeft(body[decoder.InputOffset():], space); len(rest) > 0 {
		line, column := position(body, int64(len(body)-len(rest))+1)
		return fmt.Sprintf("has more than one value, from line %d, column %d", line, column)
	}
	return ""
}

// position turns the count of bytes read into the place of the last of them.
func position(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, len(before) - bytes.LastIndexByte(before, '\n')
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// walk looks at one value. raw is syntactically right.
func (f *faults) walk(t reflect.Type, raw []byte, pointer string, depth int) {
	raw = bytes.Trim(raw, space)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	f.values--
	f.bytes -= len(raw)
	if string(raw) == "null" || f.exhausted() {
		return // encoding/json leaves the value alone at null
	}
	if depth >= maxDepth || custom(t) {
		f.leaf(t, raw, pointer)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		f.walkStruct(t, raw, pointer, depth)
	case reflect.Map:
		f.walkMap(t, raw, pointer, depth)
	case reflect.Slice, reflect.Array:
		f.walkArray(t, raw, pointer, depth)
	default:
		f.leaf(t, raw, pointer)
	}
}

// custom reports whether the type decodes itself.
func custom(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler)
}

func (f *faults) leaf(t reflect.Type, raw []byte, pointer string) {
	if json.Unmarshal(raw, reflect.New(t).Interface()) != nil {
		f.wrongType(pointer, expectation(t))
	}
}

func (f *faults) walkStruct(t reflect.Type, raw []byte, pointer string, depth int) {
	if raw[0] != '{' {
		f.wrongType(pointer, expectation(t))
		return
	}
	fields := fieldsOf(t)
	f.eachMember(raw, func(name string, value []byte) {
		at := pointer + "/" + escapePointer(name)
		field, ok := fields.find(name)
		switch {
		case !ok && !f.lenient:
			f.add(at, "is not a known member", "UNKNOWN")
		case ok && field.quoted:
			f.quoted(field.typ, value, at)
		case ok:
			f.walk(field.typ, value, at, depth+1)
		}
	})
}

// quoted is a field with the option "string": its value is written inside a JSON string.
func (f *faults) quoted(t reflect.Type, raw []byte, pointer string) {
	var text string
	if string(raw) == "null" {
		return
	}
	if json.Unmarshal(raw, &text) != nil || json.Unmarshal([]byte(text), reflect.New(t).Interface()) != nil {
		f.wrongType(pointer, "must be a string that holds: "+strings.TrimPrefix(expectation(t), "must be "))
	}
}

func (f *faults) walkMap(t reflect.Type, raw []byte, pointer string, depth int) {
	if raw[0] != '{' {
		f.wrongType(pointer, expectation(t))
		return
	}
	f.eachMember(raw, func(name string, value []byte) {
		at := pointer + "/" + escapePointer(name)
		if !keyFits(t.Key(), name) {
			f.wrongType(at, "has a name that is not possible here")
			return
		}
		f.walk(t.Elem(), value, at, depth+1)
	})
}

func keyFits(key reflect.Type, name string) bool {
	if key.Kind() == reflect.String {
		return true
	}
	probe := reflect.New(reflect.MapOf(key, reflect.TypeFor[struct{}]()))
	quoted, err := json.Marshal(map[string]struct{}{name: {}})
	return err == nil && json.Unmarshal(quoted, probe.Interface()) == nil
}

func (f *faults) walkArray(t reflect.Type, raw []byte, pointer string, depth int) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		f.leaf(t, raw, pointer) // base64
		return
	}
	if raw[0] != '[' {
		f.wrongType(pointer, expectation(t))
		return
	}
	f.eachElement(raw, func(i int, value []byte) {
		if t.Kind() == reflect.Slice || i < t.Len() {
			f.walk(t.Elem(), value, pointer+"/"+strconv.Itoa(i), depth+1)
		}
	})
}

// eachMember calls visit for the members of an object, in their order.
func (f *faults) eachMember(raw []byte, visit func(name string, value []byte)) {
	decoder := opened(raw)
	for decoder.More() && !f.exhausted() {
		name, err := decoder.Token()
		if err != nil {
			return
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return
		}
		visit(name.(string), value)
	}
}

func (f *faults) eachElement(raw []byte, visit func(i int, value []byte)) {
	decoder := opened(raw)
	for i := 0; decoder.More() && !f.exhausted(); i++ {
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return
		}
		visit(i, value)
	}
}

// opened returns a decoder behind the first delimiter.
func opened(raw []byte) *json.Decoder {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return json.NewDecoder(io.LimitReader(nil, 0))
	}
	return decoder
}

// escapePointer writes a member's name as a reference token in a URI fragment (RFC 6901, sections 3
// and 6). A name is the caller's: it is cut where it is absurdly long.
func escapePointer(name string) string {
	const longest = 128
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest], "") + "…"
	}
	name = strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if c := name[i]; inFragment(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// inFragment reports whether a byte may stand in a fragment as it is (RFC 3986, section 3.5).
func inFragment(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0
}

// expectation says in plain words what a type takes.
func expectation(t reflect.Type) string {
	if t == reflect.TypeFor[time.Time]() {
		return "must be a time such as 2006-01-02T15:04:05Z (RFC 3339)"
	}
	if custom(t) {
		return "has a value that is not possible here"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		low := int64(-1) << (t.Bits() - 1)
		return fmt.Sprintf("must be a whole number from %d to %d", low, -(low + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fmt.Sprintf("must be a whole number from 0 to %d", ^uint64(0)>>(64-t.Bits()))
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	case reflect.String:
		return "must be a string"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "must be a string in base64"
		}
		return "must be an array"
	case reflect.Array:
		return "must be an array"
	case reflect.Struct, reflect.Map:
		return "must be an object"
	}
	return "has a value that is not possible here"
}

// A field is one that encoding/json would fill.
type field struct {
	name   string
	typ    reflect.Type
	quoted bool
}

type fieldList []field

// find looks for the exact name, then, as encoding/json does, without regard to case.
func (l fieldList) find(name string) (field, bool) {
	i := slices.IndexFunc(l, func(f field) bool { return f.name == name })
	if i < 0 {
		i = slices.IndexFunc(l, func(f field) bool { return strings.EqualFold(f.name, name) })
	}
	if i < 0 {
		return field{}, false
	}
	return l[i], true
}

// fieldsOf lists the fields of a struct, those of embedded structs after its own, so that an outer
// name is found first.
func fieldsOf(t reflect.Type) fieldList {
	var own fieldList
	level, seen := []reflect.Type{t}, map[reflect.Type]bool{t: true}
	for len(level) > 0 {
		var next []reflect.Type
		for _, t := range level {
			for field := range t.Fields() {
				f, embedded := jsonField(field)
				switch {
				case embedded != nil && !seen[embedded]:
					seen[embedded] = true
					next = append(next, embedded)
				case f.name != "":
					own = append(own, f)
				}
			}
		}
		level = next
	}
	return own
}

// jsonField reads a field's tag; it returns the struct type where the field is embedded without one.
func jsonField(sf reflect.StructField) (f field, embedded reflect.Type) {
	tag := sf.Tag.Get("json")
	name, options, _ := strings.Cut(tag, ",")
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case tag == "-":
		return field{}, nil
	case sf.Anonymous && name == "" && t.Kind() == reflect.Struct:
		return field{}, t
	case !sf.IsExported():
		return field{}, nil
	case name == "":
		name = sf.Name
	}
	return field{name, sf.Type, slices.Contains(strings.Split(options, ","), "string") && scalar(t)}, nil
}

// scalar reports whether the option "string" has a meaning for the type.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64:
		return true
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uintptr
}
