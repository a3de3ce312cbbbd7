package kafka

import (
	"fmt"
	"reflect"
)

// Message returns a codec for messages that are filled by a function, such as
// those of protocol buffers:
//
//	kafka.Decode(kafka.Message[*orderpb.Order](proto.Unmarshal), handle)
//
// T is a pointer to a struct; each record gets a new one. M is what unmarshal takes
// and T has to implement: Message panics if it does not. A record without a value
// leaves the message empty, as an empty value does.
func Message[T, M any](unmarshal func(value []byte, into M) error) Codec[T] {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("kafka: Message of %v, want a pointer", t))
	}
	if m := reflect.TypeFor[M](); !t.AssignableTo(m) {
		panic(fmt.Sprintf("kafka: Message of %v, which is no %v", t, m))
	}
	return func(value []byte) (T, error) {
		message := reflect.New(t.Elem()).Interface()
		return message.(T), unmarshal(value, message.(M))
	}
}
