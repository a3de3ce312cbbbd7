package kafka_test

import (
	"context"
	"encoding"
	"net/netip"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// fill stands in for proto.Unmarshal, which takes an interface that messages implement.
func fill(b []byte, into encoding.TextUnmarshaler) error { return into.UnmarshalText(b) }

func TestMessageFillsANewValueForEachRecord(t *testing.T) {
	var got []*netip.Addr
	handler := kafka.Decode(kafka.Message[*netip.Addr](fill), func(_ context.Context, a *netip.Addr, _ *kafka.Record) error {
		got = append(got, a)
		return nil
	})
	for _, value := range []string{"10.0.0.1", "10.0.0.2"} {
		if err := handler(t.Context(), &kafka.Record{Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	if got[0].String() != "10.0.0.1" || got[1].String() != "10.0.0.2" {
		t.Errorf("got %v", got)
	}
	if err := handler(t.Context(), &kafka.Record{Value: []byte("nowhere")}); errors.CodeOf(err) != errors.InvalidArgument {
		t.Errorf("error %v", err)
	}
}

func TestMessageOfTheWrongTypePanics(t *testing.T) {
	for name, make := range map[string]func(){
		"no pointer":         func() { kafka.Message[netip.Addr](fill) },
		"another interface":  func() { kafka.Message[*string](fill) },
		"another's pointers": func() { kafka.Message[*string](func([]byte, *int) error { return nil }) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			make()
		}()
	}
}
