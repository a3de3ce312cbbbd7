package httpserver

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Which values fit a type, and what to say of those that do not.

func fits(t reflect.Type, raw []byte) bool {
	if fit, known := fitsScalar(t, raw); known {
		return fit
	}
	return json.Unmarshal(raw, reflect.New(t).Interface()) == nil
}

// fitsScalar knows the plain types without asking encoding/json, which takes a hundred times as long.
func fitsScalar(t reflect.Type, raw []byte) (fit, known bool) {
	if t == jsonNumber || custom(t) {
		return false, false
	}
	switch kind := t.Kind(); {
	case kind == reflect.String:
		return len(raw) > 0 && raw[0] == '"', true
	case kind == reflect.Bool:
		return string(raw) == "true" || string(raw) == "false", true
	case whole(kind):
		return fitsWhole(t, raw), true
	case kind == reflect.Float32, kind == reflect.Float64:
		number := scanner{data: raw}
		if !number.number() || number.pos != len(raw) {
			return false, true
		}
		_, err := strconv.ParseFloat(string(raw), t.Bits())
		return err == nil, true
	}
	return false, false
}

func signed(kind reflect.Kind) bool { return kind >= reflect.Int && kind <= reflect.Int64 }

// whole reports whether a kind is one of whole numbers.
func whole(kind reflect.Kind) bool { return kind >= reflect.Int && kind <= reflect.Uintptr }

func fitsWhole(t reflect.Type, text []byte) bool {
	var err error
	if signed(t.Kind()) {
		_, err = strconv.ParseInt(string(text), 10, t.Bits())
	} else {
		_, err = strconv.ParseUint(string(text), 10, t.Bits())
	}
	return err == nil
}

// keyFits reports whether a member's name can be a key of a map.
func keyFits(key reflect.Type, name []byte) bool {
	switch {
	case custom(key): // only encoding/json knows
	case key.Kind() == reflect.String:
		return true
	case whole(key.Kind()):
		return fitsWhole(key, name)
	}
	probe := reflect.New(reflect.MapOf(key, reflect.TypeFor[struct{}]()))
	object, err := json.Marshal(map[string]struct{}{string(name): {}})
	return err == nil && json.Unmarshal(object, probe.Interface()) == nil
}

// expectation says in plain words what a type takes.
func expectation(t reflect.Type) string {
	if t == reflect.TypeFor[time.Time]() {
		return "must be a time such as 2006-01-02T15:04:05Z (RFC 3339)"
	}
	if t == jsonNumber {
		return "must be a number"
	}
	if custom(t) {
		return "has a value that is not possible here"
	}
	switch {
	case signed(t.Kind()):
		low := int64(-1) << (t.Bits() - 1)
		return fmt.Sprintf("must be a whole number from %d to %d", low, -(low + 1))
	case whole(t.Kind()):
		return fmt.Sprintf("must be a whole number from 0 to %d", ^uint64(0)>>(64-t.Bits()))
	}
	switch t.Kind() {
	case reflect.Bool:
		return "must be true or false"
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
