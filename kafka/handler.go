package kafka

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/validate"
)

// Handler handles one record. Nil means that the record is done: its offset
// counts as complete. What an error leads to is written in the table of package
// errors, by the error's code: codes that speak about the record send it to the
// dead letters at once, the others are tried again with growing waits, and count
// as signs of an outage.
//
// The context ends at the consumer's handler timeout, when the partition is
// taken away and the drain budget is over, or when Run has to stop and its drain
// budget is over. A handler must return when its context ends: the promise that
// order holds per key rests on it. The context carries the record's span and its
// log attributes.
//
// Handlers run concurrently, one record of a key at a time. A panic is an error
// with the code internal, and so is runtime.Goexit, which FailNow of a test calls.
// Delivery is at least once: see [Deduplicate].
type Handler func(ctx context.Context, r *Record) error

// Codec decodes the value of a record into a T. It is called concurrently.
type Codec[T any] func(value []byte) (T, error)

// Decode returns a handler that decodes each record's value with the codec and
// passes it on beside the record. A value that the codec refuses goes to the
// dead letters at once, with the code invalid_argument and the codec's error as
// the cause, unless the codec's error has a code of its own.
func Decode[T any](codec Codec[T], handle func(ctx context.Context, value T, r *Record) error) Handler {
	return func(ctx context.Context, r *Record) error {
		value, err := codec(r.Value)
		if err != nil {
			return undecodable(err)
		}
		return handle(ctx, value, r)
	}
}

// JSON returns a handler that decodes each record's value as JSON. A value that
// is no JSON of a T goes to the dead letters at once, with the code
// invalid_argument. So does a nil value (a tombstone), and a JSON null that would
// leave T as it is, unless T is a pointer: then both arrive as nil.
//
// Members that T does not have are ignored, and so is all else that
// [encoding/json] ignores: producers add members before their consumers know
// them. What a record must have is for Validate to say: if T or *T has a method
//
//	Validate() error
//
// it is called on the decoded value, as httpserver's DecodeJSON does. What it
// finds is invalid_argument, unless its error has another code: then that code
// decides, and one such as unavailable is tried again. The violations of its
// error are in the log and in the dead letter's message.
func JSON[T any](handle func(ctx context.Context, value T, r *Record) error) Handler {
	pointer := reflect.TypeFor[T]().Kind() == reflect.Pointer
	nullable := readsNull(reflect.TypeFor[T]())
	return Decode(func(value []byte) (T, error) {
		var v T
		if value == nil {
			if pointer {
				return v, nil
			}
			return v, errors.InvalidArgument.New("The record has no value.")
		}
		if err := json.Unmarshal(value, &v); err != nil {
			return v, err
		}
		if !nullable && isNull(value) {
			return v, errors.InvalidArgument.New("The record's value is null.")
		}
		return v, invalid(validate.Call(&v))
	}, handle)
}

// readsNull reports whether a JSON null is a value of the type. It leaves those
// of other types as they are.
func readsNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

func isNull(text []byte) bool {
	const longest = 64 // with blanks around it; nobody writes more
	return len(text) <= longest && string(bytes.TrimSpace(text)) == "null"
}

func invalid(err error) error {
	if err == nil || errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return errors.InvalidArgument.Wrap(err, "The record's value is not valid.")
}

func undecodable(err error) error {
	if errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return errors.InvalidArgument.Wrap(err, "The record's value cannot be decoded.")
}
