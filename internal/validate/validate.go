// Package validate asks decoded values whether they are valid.
package validate

import "reflect"

// Call calls the method Validate of *T or T, if there is one. A T that is a nil
// pointer, which a JSON null leaves, is not asked.
func Call[T any](value *T) error {
	type validator interface{ Validate() error }
	if v, ok := any(value).(validator); ok {
		return v.Validate()
	}
	if t := reflect.ValueOf(value).Elem(); t.Kind() == reflect.Pointer && !t.IsNil() {
		if v, ok := any(*value).(validator); ok {
			return v.Validate()
		}
	}
	return nil
}
