package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

type order struct {
	ID string `json:"id"`
}

func TestJSONDecodesAndRefuses(t *testing.T) {
	var got order
	h := kafka.JSON(func(_ context.Context, o order, _ *kafka.Record) error { got = o; return nil })
	if err := h(t.Context(), &kafka.Record{Value: []byte(`{"id":"o-1"}`)}); err != nil || got.ID != "o-1" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, {}, []byte("{"), []byte("\xff"), []byte(`[1]`)} {
		if err := h(t.Context(), &kafka.Record{Value: bad}); errors.CodeOf(err) != errors.InvalidArgument {
			t.Errorf("value %q: %v", bad, err)
		}
	}
}

func TestJSONGivesATombstoneToAPointer(t *testing.T) {
	called := false
	h := kafka.JSON(func(_ context.Context, o *order, _ *kafka.Record) error { called = o == nil; return nil })
	if err := h(t.Context(), &kafka.Record{Value: nil}); err != nil || !called {
		t.Errorf("called with nil: %v, %v", called, err)
	}
}

func TestJSONRefusesANullThatIsNoValue(t *testing.T) {
	h := kafka.JSON(func(context.Context, order, *kafka.Record) error { return nil })
	for _, null := range []string{"null", " null\n"} {
		if err := h(t.Context(), &kafka.Record{Value: []byte(null)}); errors.CodeOf(err) != errors.InvalidArgument {
			t.Errorf("value %q: %v", null, err)
		}
	}
	called := 0
	for _, h := range []kafka.Handler{
		kafka.JSON(func(_ context.Context, o *order, _ *kafka.Record) error { called++; return wantNil(o == nil) }),
		kafka.JSON(func(_ context.Context, m map[string]int, _ *kafka.Record) error { called++; return wantNil(m == nil) }),
		kafka.JSON(func(_ context.Context, v any, _ *kafka.Record) error { called++; return wantNil(v == nil) }),
		kafka.JSON(func(_ context.Context, raw json.RawMessage, _ *kafka.Record) error {
			called++
			return wantNil(string(raw) == "null")
		}),
	} {
		if err := h(t.Context(), &kafka.Record{Value: []byte("null")}); err != nil {
			t.Error(err)
		}
	}
	if called != 4 {
		t.Errorf("%d handlers saw null, want 4", called)
	}
}

func wantNil(is bool) error {
	if !is {
		return errors.New("the value is not nil")
	}
	return nil
}

// Producers add members before their consumers know them.
func TestJSONToleratesUnknownMembers(t *testing.T) {
	var got order
	h := kafka.JSON(func(_ context.Context, o order, _ *kafka.Record) error { got = o; return nil })
	if err := h(t.Context(), &kafka.Record{Value: []byte(`{"id":"o-1","channel":"web","lines":[{"new":true}]}`)}); err != nil || got.ID != "o-1" {
		t.Errorf("got %+v, %v", got, err)
	}
}

type parcel struct {
	Kg int `json:"kg"`
}

func (p *parcel) Validate() error {
	switch {
	case p.Kg < 0:
		return errors.InvalidArgument.New("The parcel is not valid.").WithViolation("#/kg", "must be positive", "NEGATIVE").WithViolation("", "look at the scales", "")
	case p.Kg == 0:
		return errors.New("no weight")
	case p.Kg > 1000:
		return errors.Unavailable.New("The tariffs cannot be read.")
	}
	return nil
}

type box struct {
	Kg int `json:"kg"`
}

func (b box) Validate() error { return (*parcel)(&b).Validate() }

func TestJSONValidates(t *testing.T) {
	handled := 0
	for name, h := range map[string]kafka.Handler{
		"method of *T":         kafka.JSON(func(context.Context, parcel, *kafka.Record) error { handled++; return nil }),
		"T is the pointer":     kafka.JSON(func(context.Context, *parcel, *kafka.Record) error { handled++; return nil }),
		"method of T":          kafka.JSON(func(context.Context, box, *kafka.Record) error { handled++; return nil }),
		"T is a pointer to it": kafka.JSON(func(context.Context, *box, *kafka.Record) error { handled++; return nil }),
	} {
		handled = 0
		for value, want := range map[string]errors.Code{
			`{"kg":5}`: errors.OK, `{"kg":-5}`: errors.InvalidArgument, `{}`: errors.InvalidArgument, `{"kg":5000}`: errors.Unavailable,
		} {
			if err := h(t.Context(), &kafka.Record{Value: []byte(value)}); errors.CodeOf(err) != want {
				t.Errorf("%s: %s: %v, want %v", name, value, err, want)
			}
		}
		if handled != 1 {
			t.Errorf("%s: %d were handled, want 1", name, handled)
		}
	}
}

// What a record lacks is said by its dead letter: whoever repairs it reads that.
func TestDeadLetterNamesTheViolations(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"parcels": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		run(t, b, "g", []string{"parcels"}, kafka.JSON(func(context.Context, parcel, *kafka.Record) error { return nil }), quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "parcels", Value: []byte(`{"kg":-1}`)})
		f := b.WaitDeadLetters(t, "parcels", "g", 1)[0].Failure
		if want := "invalid_argument: The parcel is not valid. – #/kg: must be positive; #: look at the scales"; f.Code != errors.InvalidArgument || f.Message != want {
			t.Errorf("code %v, message %q, want %q", f.Code, f.Message, want)
		}
	})
}

func TestDecodeKeepsTheCodeOfTheCodec(t *testing.T) {
	h := kafka.Decode(func([]byte) (int, error) { return 0, errors.Unavailable.New("the registry is down") },
		func(context.Context, int, *kafka.Record) error { return nil })
	if err := h(t.Context(), &kafka.Record{}); errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("error: %v", err)
	}
	n := 0
	h = kafka.Decode(func(b []byte) (int, error) { return strconv.Atoi(string(b)) }, func(_ context.Context, v int, _ *kafka.Record) error { n = v; return nil })
	if err := h(t.Context(), &kafka.Record{Value: []byte("7")}); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if err := h(t.Context(), &kafka.Record{Value: []byte("x")}); errors.CodeOf(err) != errors.InvalidArgument {
		t.Errorf("error: %v", err)
	}
}

func TestDeduplicateRunsAnEffectOncePerID(t *testing.T) {
	store := kafka.NewMemoryDedupStore(0)
	var effects atomic.Int64
	fail := true
	h := kafka.Deduplicate(store, func(context.Context, *kafka.Record) error {
		if fail {
			return errors.Unavailable
		}
		effects.Add(1)
		return nil
	})
	first := &kafka.Record{Topic: "orders", Offset: 5}
	redriven := &kafka.Record{Topic: "orders", Offset: 9, Headers: []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/0/5")}}}
	if err := h(t.Context(), first); err == nil {
		t.Error("a failed effect was remembered")
	}
	fail = false
	for _, r := range []*kafka.Record{first, first, redriven} {
		if err := h(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	if effects.Load() != 1 || store.Len() != 1 {
		t.Errorf("%d effects, %d IDs", effects.Load(), store.Len())
	}
}

func TestMemoryDedupStoreIsBoundedAndSurvivesPanics(t *testing.T) {
	store := kafka.NewMemoryDedupStore(3)
	n := 0
	once := func(offset int64) {
		_ = store.Once(t.Context(), kafka.ID{Topic: "t", Offset: offset}, func(context.Context) error { n++; return nil })
	}
	for offset := range int64(10) {
		once(offset)
	}
	once(9)
	once(0) // forgotten
	if n != 11 || store.Len() != 3 {
		t.Errorf("%d effects, %d IDs", n, store.Len())
	}
	func() {
		defer func() { _ = recover() }()
		_ = store.Once(t.Context(), kafka.ID{Topic: "p"}, func(context.Context) error { panic("x") })
	}()
	done := false
	_ = store.Once(t.Context(), kafka.ID{Topic: "p"}, func(context.Context) error { done = true; return nil })
	if !done {
		t.Error("an effect that panicked was remembered")
	}
}

func TestMemoryDedupStoreLetsTheSecondWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := kafka.NewMemoryDedupStore(0)
		var effects atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := store.Once(t.Context(), kafka.ID{Topic: "t"}, func(context.Context) error {
					time.Sleep(time.Second)
					effects.Add(1)
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if effects.Load() != 1 {
			t.Errorf("%d effects", effects.Load())
		}
		block := make(chan struct{})
		go func() {
			_ = store.Once(t.Context(), kafka.ID{Topic: "u"}, func(context.Context) error { <-block; return fmt.Errorf("x") })
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := store.Once(ctx, kafka.ID{Topic: "u"}, func(context.Context) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
		close(block)
	})
}
