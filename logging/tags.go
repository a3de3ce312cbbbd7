package logging

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
)

// A field of a struct with the tag `log:"secret"` is a secret whatever its name and its type.
const (
	tagKey    = "log"
	tagSecret = "secret"
)

// tags finds the tagged fields of values that encoding/json has encoded, by going through the value beside
// its JSON. What types say is remembered.
type tags struct {
	hiding  cache[reflect.Type, bool]
	structs cache[reflect.Type, map[string]tagged]
}

// tagged is a field of a struct under its name in JSON.
type tagged struct {
	index  []int
	secret bool
}

var (
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
)

// opaque reports whether a type writes its JSON itself, which then need not look like the value.
func opaque(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) || p.Implements(textMarshaler)
}

// mayHide reports whether a value of the type may hold a tagged field; most do not, and cost nothing more.
func (ts *tags) mayHide(t reflect.Type) bool {
	if known, ok := ts.hiding.get(t); ok {
		return known
	}
	hides := mayHide(t, make(map[reflect.Type]bool))
	ts.hiding.put(t, hides)
	return hides
}

func mayHide(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || opaque(t) && t.Kind() != reflect.Interface {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return mayHide(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if f.Tag.Get(tagKey) == tagSecret || mayHide(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// underlying follows pointers and interfaces; what is opaque or unknown is the zero Value.
func underlying(v reflect.Value) reflect.Value {
	for v.IsValid() && !opaque(v.Type()) && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	if !v.IsValid() || opaque(v.Type()) {
		return reflect.Value{}
	}
	return v
}

// member returns the value of an object's member, if it is known, and whether it is tagged as a secret.
func (ts *tags) member(v reflect.Value, key string) (member reflect.Value, secret bool) {
	if !v.IsValid() {
		return reflect.Value{}, false
	}
	switch v.Kind() {
	case reflect.Struct:
		f, ok := ts.fields(v.Type())[key]
		if !ok {
			return reflect.Value{}, false
		}
		member, err := v.FieldByIndexErr(f.index)
		if err != nil { // behind a nil pointer, which has no JSON
			return reflect.Value{}, f.secret
		}
		return member, f.secret
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String && !opaque(v.Type().Key()) {
			return v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())), false
		}
	}
	return reflect.Value{}, false
}

func element(v reflect.Value, i int) reflect.Value {
	if v.IsValid() && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array) && i < v.Len() {
		return v.Index(i)
	}
	return reflect.Value{}
}

// fields returns the fields of a struct by their names in JSON. Where embedded structs make a name
// doubtful, one secret field makes it one.
func (ts *tags) fields(t reflect.Type) map[string]tagged {
	if known, ok := ts.structs.get(t); ok {
		return known
	}
	fields := make(map[string]tagged)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		before, taken := fields[name]
		secret := f.Tag.Get(tagKey) == tagSecret
		if taken && len(before.index) <= len(f.Index) {
			before.secret = before.secret || secret
			fields[name] = before
			continue
		}
		fields[name] = tagged{f.Index, secret || before.secret}
	}
	ts.structs.put(t, fields)
	return fields
}
