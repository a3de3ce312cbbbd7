package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func rejectAll(context.Context, *kafka.Record) error {
	return errors.InvalidArgument.New("bad").WithCause(fmt.Errorf("token=secret123"))
}

// Nothing of the record is changed, and the dead letter is stamped with the time
// of the failure: one stamped with the record's own time expired at once.
func TestDeadLetterIsTheRecordByteForByte(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		old := time.Now().Add(-8 * 24 * time.Hour)
		sources := b.Produce(t,
			kafka.Record{Topic: "orders", Key: nil, Value: nil, Timestamp: old},
			kafka.Record{Topic: "orders", Key: []byte{}, Value: []byte{}, Timestamp: old},
			kafka.Record{Topic: "orders", Key: []byte{0xff, 0xfe}, Value: []byte{0xc3, 0x28, 0}, Timestamp: old, Headers: []kafka.Header{
				{Key: "tag", Value: []byte("a")}, {Key: "tag", Value: []byte("b")}, {Key: "none"}, {Key: "empty", Value: []byte{}}, {Key: "", Value: []byte{0xff}},
			}},
		)
		run(t, b, "g", []string{"orders"}, rejectAll, quiet(t, b))
		dead := b.WaitRecords(t, "dlq.orders.g", 3)
		for _, source := range sources {
			id := kafka.ID{Topic: source.Topic, Partition: source.Partition, Offset: source.Offset}
			found := false
			for _, d := range dead {
				if d.ID() != id {
					continue
				}
				found = true
				f, _ := kafka.DecodeFailure(d.Headers)
				got := kafka.Record{Key: d.Key, Value: d.Value, Headers: kafka.StripFailureHeaders(d.Headers)}
				want := kafka.Record{Key: source.Key, Value: source.Value, Headers: append([]kafka.Header{}, source.Headers...)}
				if diff := cmp.Diff([]any{got.Key, got.Value, got.Headers}, []any{want.Key, want.Value, want.Headers}); diff != "" {
					t.Errorf("record %v changed: %s", id, diff)
				}
				if d.Partition != source.Partition || time.Since(d.Timestamp) > time.Minute || !f.Timestamp.Equal(old.Truncate(time.Millisecond)) {
					t.Errorf("partition %d, stamped %v, record's own %v", d.Partition, d.Timestamp, f.Timestamp)
				}
				if strings.Contains(f.Message, "secret123") {
					t.Errorf("message holds a secret: %s", f.Message)
				}
			}
			if !found {
				t.Errorf("no dead letter of %v", id)
			}
		}
	})
}

// Whatever goes wrong with writing a dead letter: the offset stays incomplete,
// the others go on, and the dead letter is written once that works.
func TestDeadLetterThatCannotBeWrittenIsNotLost(t *testing.T) {
	for _, c := range []struct {
		name string
		hurt func(t *testing.T, b *kafkatest.Broker) (mend func())
	}{
		{"topic deleted", func(t *testing.T, b *kafkatest.Broker) func() {
			b.DeleteTopic(t, "dlq.orders.g")
			create := b.Fault(kafkatest.Fault{Request: kmsg.CreateTopics, Err: kerr.PolicyViolation, Times: -1})
			return create.Lift
		}},
		{"no permission", func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Err: kerr.TopicAuthorizationFailed, Times: -1}).Lift
		}},
		{"not enough replicas", func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Err: kerr.NotEnoughReplicas, Times: -1}).Lift
		}},
		{"disk full", func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Err: kerr.KafkaStorageError, Times: -1}).Lift
		}},
		{"no answer", func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Hang: true, Times: -1}).Lift
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				var got seen
				consumer := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
					if string(r.Value) == "3" {
						return errors.DataLoss.New("")
					}
					got.add(r)
					return nil
				}, quiet(t, b))
				b.WaitMembers(t, "g", 1)
				time.Sleep(time.Second)
				mend := c.hurt(t, b)
				b.Produce(t, records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				time.Sleep(10 * time.Minute)
				if at := committed(t, b, "orders", "g", 0); at > 3 {
					t.Errorf("committed %d while the record 3 is nowhere", at)
				}
				if len(got.list()) != 9 {
					t.Errorf("handled %q", got.list())
				}
				st := consumer.Status()
				if st.InFlight != 1 || st.DeadLetters != 0 || st.Unwritten != 1 {
					t.Errorf("status: %+v", st)
				}
				mend()
				b.WaitCaughtUp(t, "orders", "g")
				ids := map[kafka.ID]bool{}
				for _, r := range b.WaitRecords(t, "dlq.orders.g", 1) {
					ids[r.ID()] = true
				}
				if !ids[kafka.ID{Topic: "orders", Offset: 3}] || len(ids) != 1 {
					t.Errorf("dead letters: %v", ids)
				}
			})
		})
	}
}

// A record as large as its topic allows, with a key, does not fit into a
// dead-letter topic of the same limit once it has failure headers.
func TestDeadLetterOfALargeRecord(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("KeepTopics %v", keep), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				value := make([]byte, 990_000)
				_, _ = rand.NewChaCha8([32]byte{}).Read(value) // does not compress
				setLimit(t, b, "dlq.orders.g", len(value)+1200)
				cfg := quiet(t, b)
				cfg.KeepTopics = keep
				cfg.Attempts, cfg.OutageRatio = 1, -1
				run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
					panic(strings.Repeat("long ", 1000))
				}, cfg)
				b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: value})
				dead := b.WaitRecords(t, "dlq.orders.g", 1)
				b.WaitCaughtUp(t, "orders", "g")
				f, _ := kafka.DecodeFailure(dead[0].Headers)
				if !bytes.Equal(dead[0].Value, value) {
					t.Error("the value was changed")
				}
				if f.Code != errors.Internal || f.Origin.Topic != "orders" || (f.Stack != "") == keep {
					t.Errorf("failure: code %v, origin %v, stack of %d bytes", f.Code, f.Origin, len(f.Stack))
				}
			})
		})
	}
}

func setLimit(t *testing.T, b *kafkatest.Broker, topic string, limit int) {
	t.Helper()
	cl, err := kgo.NewClient(b.ClientOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	value := fmt.Sprint(limit)
	if _, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &value}}, topic); err != nil {
		t.Fatal(err)
	}
}

// A record that comes back from the dead letters and fails again has one set of
// failure headers, its first origin, and counts on.
func TestFailureHeadersAreReplacedWhenARecordFailsAgain(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		run(t, b, "g", []string{"orders"}, rejectAll, hours(quiet(t, b)))
		first := time.Now()
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v"), Headers: []kafka.Header{{Key: "tag"}}})
		var headers []kafka.Header
		for n := range 4 {
			dead := b.WaitRecords(t, "dlq.orders.g", n+1)
			last := dead[n]
			f, _ := kafka.DecodeFailure(last.Headers)
			if last.ID() != (kafka.ID{Topic: "orders"}) || f.Attempts != n+1 || f.Source.Offset != int64(n) || f.FirstFailure.Sub(first) > time.Minute {
				t.Errorf("failure %d: ID %v, %+v", n, last.ID(), f)
			}
			if n > 0 && len(last.Headers) != len(headers) {
				t.Errorf("%d headers, %d before", len(last.Headers), len(headers))
			}
			headers = last.Headers
			time.Sleep(time.Hour)
			b.Produce(t, kafka.Record{Topic: "orders", Key: last.Key, Value: last.Value, Headers: headers})
		}
	})
}

// Middleware that decrypts replaces the value of the record it passes on: the
// next attempt and the dead letter are of the record as it was written.
func TestHandlerThatReplacesFieldsChangesNeitherRetriesNorTheDeadLetter(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.Attempts, cfg.OutageRatio = 2, -1
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Key) != "k" || string(r.Value) != "sealed" || len(r.Headers) != 1 || r.Offset != 0 {
				t.Errorf("attempt %d sees key %q, value %q, %d headers, offset %d", r.Attempt(), r.Key, r.Value, len(r.Headers), r.Offset)
			}
			r.Key, r.Value, r.Headers, r.Topic, r.Offset = nil, []byte("open"), nil, "other", 7
			return errors.Unavailable.New("")
		}, cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("sealed"), Headers: []kafka.Header{{Key: "tag"}}})
		dead := b.WaitDeadLetters(t, "orders", "g", 1)[0]
		if r := dead.Record; string(r.Key) != "k" || string(r.Value) != "sealed" || len(r.Headers) != 1 || r.ID() != (kafka.ID{Topic: "orders"}) {
			t.Errorf("dead letter: key %q, value %q, %d headers, ID %v", r.Key, r.Value, len(r.Headers), r.ID())
		}
		b.WaitCaughtUp(t, "orders", "g")
	})
}
