package kafka

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/backend-platform/sdk/errors"
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
// with the code internal. Delivery is at least once: see [Deduplicate].
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
// invalid_argument. So does a nil value (a tombstone), unless T is a pointer:
// then it arrives as nil.
func JSON[T any](handle func(ctx context.Context, value T, r *Record) error) Handler {
	nilable := reflect.TypeFor[T]().Kind() == reflect.Pointer
	return Decode(func(value []byte) (T, error) {
		var v T
		if value == nil {
			if nilable {
				return v, nil
			}
			return v, errors.InvalidArgument.New("The record has no value.")
		}
		err := json.Unmarshal(value, &v)
		return v, err
	}, handle)
}

func undecodable(err error) error {
	if errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return errors.InvalidArgument.Wrap(err, "The record's value cannot be decoded.")
}
