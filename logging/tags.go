package logging

import (
	"encoding"
	"reflect"
	"strconv"
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
	if seen[t] {
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

// underlying follows pointers and interfaces. Behind a nil pointer its type still tells what is secret; behind
// a nil interface nothing does, and the result is the zero Value.
func underlying(v reflect.Value) reflect.Value {
	for range maxDepth { // there are pointers to themselves
		switch {
		case v.Kind() == reflect.Pointer && v.IsNil():
			v = reflect.Zero(v.Type().Elem())
		case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
			v = v.Elem()
		default:
			return v
		}
	}
	return reflect.Value{}
}

// named returns a map under the names that its keys have in JSON, and any other value as it is.
func named(v reflect.Value) reflect.Value {
	name := reflect.TypeFor[string]()
	if v.Kind() != reflect.Map || v.Type().Key() == name || !v.CanInterface() {
		return v
	}
	members := reflect.MakeMapWithSize(reflect.MapOf(name, v.Type().Elem()), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		key := entries.Key()
		if text, ok := key.Interface().(encoding.TextMarshaler); ok && !(key.Kind() == reflect.Pointer && key.IsNil()) {
			if name, err := text.MarshalText(); err == nil {
				members.SetMapIndex(reflect.ValueOf(string(name)), entries.Value())
			}
		}
		switch {
		case key.Kind() == reflect.String: // also with a text of its own, which encoding/json does not ask for
			members.SetMapIndex(reflect.ValueOf(key.String()), entries.Value())
		case key.CanInt():
			members.SetMapIndex(reflect.ValueOf(strconv.FormatInt(key.Int(), 10)), entries.Value())
		case key.CanUint():
			members.SetMapIndex(reflect.ValueOf(strconv.FormatUint(key.Uint(), 10)), entries.Value())
		}
	}
	return members
}

// member returns the value of an object's member, or one that has its type at least, if that is known, and
// whether it is tagged as a secret. A type that writes its own JSON is taken by the names of its fields.
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
		if err != nil { // behind a nil pointer
			member = reflect.Zero(v.Type().FieldByIndex(f.index).Type)
		}
		return member, f.secret
	case reflect.Map:
		if v.Type().Key() == reflect.TypeFor[string]() {
			member = v.MapIndex(reflect.ValueOf(key))
		}
		if !member.IsValid() {
			member = reflect.Zero(v.Type().Elem())
		}
		return member, false
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
