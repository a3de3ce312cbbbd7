package httpserver

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A shape is what a type looks like in JSON.
type shape struct {
	typ    reflect.Type // never a pointer: to JSON it is what it points to
	kind   shapeKind
	fields []field        // of an object
	byName map[string]int // into fields
	elem   *shape         // of a map or a list
	plain  bool           // has no members anywhere inside
}

type shapeKind uint8

const (
	// leafShape decodes itself: a scalar, base64, or a type with a decoder of its own.
	leafShape shapeKind = iota
	objectShape
	mapShape
	listShape
	// anyShape takes everything, with maps for objects.
	anyShape
	// rawShape keeps the text for somebody else.
	rawShape
)

// A field is one that encoding/json would fill.
type field struct {
	name   string
	shape  *shape
	quoted bool // by the option "string"

	typ    reflect.Type
	depth  int // of embedding
	tagged bool
}

var (
	shapes sync.Map // of *shape, by reflect.Type; types are few, and never unloaded

	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonNumber      = reflect.TypeFor[json.Number]()
	rawMessage      = reflect.TypeFor[json.RawMessage]()
)

func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	s := buildShape(t, make(map[reflect.Type]*shape))
	shapes.Store(t, s)
	return s
}

// buildShape keeps what it is building in hand, for types that contain themselves.
func buildShape(t reflect.Type, building map[reflect.Type]*shape) *shape {
	for t.Kind() == reflect.Pointer && !custom(t) {
		t = t.Elem()
	}
	if s := building[t]; s != nil {
		return s
	}
	s := &shape{typ: t}
	building[t] = s
	switch {
	case t == rawMessage:
		s.kind = rawShape
	case custom(t):
		s.plain = true
	case t.Kind() == reflect.Struct:
		s.kind = objectShape
		s.fields = fieldsOf(t)
		s.byName = make(map[string]int, len(s.fields))
		for i := range s.fields {
			s.fields[i].shape = buildShape(s.fields[i].typ, building)
			s.byName[s.fields[i].name] = i
		}
	case t.Kind() == reflect.Map:
		s.kind, s.elem = mapShape, buildShape(t.Elem(), building)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		s.plain = true // base64
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		s.kind, s.elem = listShape, buildShape(t.Elem(), building)
		s.plain = s.elem.plain
	case t.Kind() == reflect.Interface && t.NumMethod() == 0:
		s.kind = anyShape
	default:
		s.plain = true
	}
	return s
}

// custom reports whether the type decodes itself.
func custom(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler)
}

// similar returns the field that encoding/json, which does not mind the case, fills from a member of a
// name that is no field's; or nil.
func (s *shape) similar(name []byte) *field {
	for i := range s.fields {
		if strings.EqualFold(s.fields[i].name, string(name)) {
			return &s.fields[i]
		}
	}
	return nil
}

// fieldsOf lists the fields of a struct and of those that are embedded in it. Of fields with one name the
// least embedded counts, then the one that a tag has named; two that are equal in this hide each other.
func fieldsOf(t reflect.Type) []field {
	all := collectFields(t)
	slices.SortStableFunc(all, func(a, b field) int { return strings.Compare(a.name, b.name) })
	var fields []field
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		if f, ok := dominant(all[:n]); ok {
			fields = append(fields, f)
		}
		all = all[n:]
	}
	return fields
}

func dominant(same []field) (best field, ok bool) {
	for i, f := range same {
		switch {
		case i == 0 || f.depth < best.depth || f.depth == best.depth && f.tagged && !best.tagged:
			best, ok = f, true
		case f.depth == best.depth && f.tagged == best.tagged:
			ok = false
		}
	}
	return best, ok
}

func collectFields(t reflect.Type) (all []field) {
	seen := map[reflect.Type]bool{t: true}
	for depth, level := 0, []reflect.Type{t}; len(level) > 0; depth++ {
		var next []reflect.Type
		for _, t := range level {
			for sf := range t.Fields() {
				f, embedded := jsonField(sf)
				switch {
				case embedded != nil && !seen[embedded]:
					next = append(next, embedded)
				case f.name != "":
					f.depth = depth
					all = append(all, f)
				}
			}
		}
		for _, t := range next {
			seen[t] = true
		}
		level = next
	}
	return all
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
	}
	f = field{name: name, typ: sf.Type, tagged: name != ""}
	if name == "" {
		f.name = sf.Name
	}
	f.quoted = slices.Contains(strings.Split(options, ","), "string") && scalar(t)
	return f, nil
}

// scalar reports whether the option "string" has a meaning for the type.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64:
		return true
	}
	return whole(t.Kind())
}
