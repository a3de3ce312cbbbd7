package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Pitfalls: a dead letter whose key was emptied and whose duplicate headers were one
// (watermill), whose values were serialized again so that invalid UTF-8 became
// U+FFFD (Spring), that had no key, value, headers or reason (share groups of Kafka
// 4.4).
func TestPromiseADeadLetterIsTheRecordByteForByte(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 3)
		tagged := []kafka.Header{
			{Key: "tag", Value: []byte("a")}, {Key: "tag", Value: []byte("b")}, {Key: "none"}, {Key: "empty", Value: []byte{}}, {Key: "", Value: []byte{0xff}},
		}
		sources := c.produce(
			kafka.Record{Topic: topic, Partition: 0},
			kafka.Record{Topic: topic, Partition: 1, Key: []byte{}, Value: []byte{}},
			kafka.Record{Topic: topic, Partition: 2, Key: []byte{0xff, 0xfe}, Value: []byte{0xc3, 0x28, 0}, Headers: tagged},
		)
		c.run(topic, rejectAll, c.config())
		dead := c.waitDeadLetters(topic, 3)
		for i, source := range sources { // Both are in the order of partitions.
			d := dead[i]
			want := []any{source.Key, source.Value, append([]kafka.Header{}, source.Headers...), source.ID()}
			if diff := cmp.Diff(want, []any{d.Record.Key, d.Record.Value, append([]kafka.Header{}, d.Record.Headers...), d.Record.ID()}); diff != "" {
				t.Errorf("record %v changed: %s", source.ID(), diff)
			}
			f := d.Failure
			if d.Partition != source.Partition || f.Code != errors.InvalidArgument || f.Group != c.group() || f.Deliveries != 1 || !strings.Contains(f.Message, "bad") {
				t.Errorf("partition %d, failure: %+v", d.Partition, f)
			}
			if strings.Contains(f.Message, "secret123") {
				t.Errorf("the message holds a secret: %s", f.Message)
			}
		}
	})
}

// Pitfall: a kept timestamp: the dead letter of a record of last week expired at
// once. It has the time of the failure, and the record's own in a header.
func TestPromiseADeadLetterOfAnOldRecordIsNew(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1, "retention.ms", "-1")
		old := time.Now().Add(-8 * 24 * time.Hour).Truncate(time.Millisecond)
		c.produce(kafka.Record{Topic: topic, Timestamp: old})
		c.run(topic, rejectAll, c.config())
		d := c.waitDeadLetters(topic, 1)[0]
		if age := time.Since(d.Time); age > time.Minute || !d.Record.Timestamp.Equal(old) {
			t.Errorf("stamped %v ago, the record's own time is %v, want %v", age, d.Record.Timestamp, old)
		}
	})
}

// Pitfalls: a dead-letter topic that is missing (watermill: lost, or stuck for
// ever; share groups: given up, lag 0), that takes no writes with all in-sync
// replicas (acks=1 does not see it), or that refuses the record's size. And: retries
// were exhausted, and the next record committed past it (components-contrib#3849).
// Whatever it is, the record's offset is not committed, its partition waits, the other
// partitions go on, and the dead letter is written once that works.
func TestPromiseADeadLetterThatCannotBeWrittenIsNotLost(t *testing.T) {
	large := make([]byte, 50_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large) // does not compress
	type means struct {
		name    string
		configs []string // of the topic from the beginning: a later change has its effect at any time
		hurt    func(c *cluster, dlq string) (mend func())
	}
	all := []means{
		{"missing", nil, func(c *cluster, dlq string) func() {
			c.deleteTopic(dlq)
			return func() { c.create(dlq, 2) }
		}},
		{"too large", []string{"max.message.bytes", "20000"}, func(c *cluster, dlq string) func() {
			return func() { c.configure(dlq, "max.message.bytes", "200000") }
		}},
	}
	if os.Getenv(brokersVariable) == "" { // Kafka 4 has no topic that wants more replicas than it has.
		all = append(all, means{"too few replicas", nil, func(c *cluster, dlq string) func() {
			c.watchAcks()
			return c.fake.Fault(kafkatest.Fault{Topic: dlq, Err: kerr.NotEnoughReplicas, Times: -1}).Lift
		}})
	}
	for _, tc := range all {
		t.Run(tc.name, func(t *testing.T) {
			promise(t, func(t *testing.T, c *cluster) {
				topic := c.topic("orders", 2)
				dlq := c.dlq(topic)
				c.create(dlq, 2, tc.configs...)
				var got seen
				cfg := c.hours(quickly(c.config(), 2))
				cfg.KeepTopics = true // Otherwise it mends that itself.
				member := c.run(topic, func(_ context.Context, r *kafka.Record) error {
					if string(r.Key) == "k3" {
						return errors.Aborted.New("")
					}
					got.add(r)
					return nil
				}, cfg)
				c.waitMembers(1)
				mend := tc.hurt(c, dlq)
				c.fill(topic, 1, 10, 3)
				c.produce(kafka.Record{Topic: topic, Key: []byte("k3"), Value: large})
				c.eventually("a dead letter that cannot be written", func() bool { return member.Status().Unwritten == 1 })
				for i := range 6 {
					c.produce(kafka.Record{Topic: topic, Partition: int32(i % 2), Key: fmt.Append(nil, i), Value: []byte("later")})
				}
				c.eventually("the other partition", func() bool { return len(got.list()) == 6 })
				c.calm(10 * time.Minute)
				if n := len(got.list()); n != 6 {
					t.Errorf("%d handled: the record's partition did not wait", n)
				}
				if at := c.committed(topic, 0); at > 3 {
					t.Errorf("committed %d while the record 3 is nowhere", at)
				}
				if st := member.Status(); st.InFlight != 1 || st.DeadLetters != 0 {
					t.Errorf("status: %+v", st)
				}
				mend()
				c.waitCaughtUp(topic)
				if n := len(got.list()); n != 9 {
					t.Errorf("%d handled in the end, want 9", n)
				}
				ids := map[kafka.ID]bool{}
				for _, d := range c.waitDeadLetters(topic, 1) {
					ids[d.Record.ID()] = bytes.Equal(d.Record.Value, large)
				}
				if !ids[kafka.ID{Topic: topic, Offset: 3}] || len(ids) != 1 {
					t.Errorf("dead letters: %v", ids)
				}
			})
		})
	}
}

// Pitfall: a record near the limit and the failure's headers are more than the
// dead-letter topic takes. Its limit is raised; where it must not be, the stack and
// the message are cut. The value never is, and nothing looks like a tombstone.
func TestPromiseADeadLetterOfALargeRecord(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("KeepTopics %v", keep), func(t *testing.T) {
			promise(t, func(t *testing.T, c *cluster) {
				value := make([]byte, 990_000)
				_, _ = rand.NewChaCha8([32]byte{}).Read(value) // does not compress
				topic := c.topic("orders", 1)
				c.create(c.dlq(topic), 1, "max.message.bytes", fmt.Sprint(len(value)+1200))
				cfg := c.config()
				cfg.KeepTopics, cfg.Attempts, cfg.OutageRatio = keep, 1, -1
				c.run(topic, func(context.Context, *kafka.Record) error { panic(strings.Repeat("long ", 1000)) }, cfg)
				c.produce(kafka.Record{Topic: topic, Key: []byte("k"), Value: value})
				d := c.waitDeadLetters(topic, 1)[0]
				c.waitCaughtUp(topic)
				if !bytes.Equal(d.Record.Value, value) || string(d.Record.Key) != "k" {
					t.Error("the record was changed")
				}
				if f := d.Failure; f.Code != errors.Internal || f.Origin.Topic != topic || (f.Stack != "") == keep {
					t.Errorf("failure: code %v, origin %v, stack of %d bytes", f.Code, f.Origin, len(f.Stack))
				}
			})
		})
	}
}

// Pitfall: headers grew at every retry until the record was too large. A record that
// comes back and fails again has one set of them, its first origin, and counts on.
func TestPromiseFailureHeadersDoNotGrow(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.run(topic, rejectAll, c.config())
		source := c.produce(kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Headers: []kafka.Header{{Key: "tag"}}})[0]
		size := 0
		for n := range 5 {
			d := c.waitDeadLetters(topic, n+1)[n]
			f := d.Failure
			if d.Record.ID() != source.ID() || f.Attempts != n+1 || f.Source.Offset != int64(n) || f.FirstFailure.Sub(source.Timestamp) > time.Minute || len(d.Record.Headers) != 1 {
				t.Errorf("failure %d: ID %v, %d headers of its own, %+v", n, d.Record.ID(), len(d.Record.Headers), f)
			}
			var headers []kafka.Header
			for _, h := range c.read(c.dlq(topic), n+1)[n].Headers {
				headers = append(headers, kafka.Header(h))
			}
			if n > 0 && len(headers) != size {
				t.Errorf("%d headers, %d before", len(headers), size)
			}
			size = len(headers)
			c.calm(2 * time.Minute)
			c.produce(kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Headers: headers})
		}
	})
}

// Pitfall: retry topics with one partition, and a failing handler of dead letters
// that wrote its record again without end (Spring). The topics of dead letters have
// the partitions of their sources, and a group that reads them has its own.
func TestPromiseAFailingHandlerOfDeadLettersWritesNoCircle(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 3)
		c.run(topic, rejectAll, c.config())
		for p := range int32(3) {
			c.produce(kafka.Record{Topic: topic, Partition: p, Value: []byte("bad")})
		}
		for i, d := range c.waitDeadLetters(topic, 3) {
			if d.Partition != int32(i) {
				t.Errorf("dead letter %d is in partition %d", i, d.Partition)
			}
		}
		c.waitCaughtUp(topic)
		dlq := c.dlq(topic)
		runOn(t, c.addrs, c.prefix+"reader", []string{dlq}, rejectAll, c.config())
		c.waitHeld(kafka.DeadLetterTopic(dlq, c.prefix+"reader"), 3)
		c.calm(10 * time.Minute)
		if here, there := c.held(dlq), c.held(kafka.DeadLetterTopic(dlq, c.prefix+"reader")); here != 3 || there != 3 {
			t.Errorf("%d dead letters, and %d of the reader's, want 3 each", here, there)
		}
	})
}

// Pitfall: a dead-letter topic that is missing shows at the first failure. Here it is
// created at the start, or its absence is an error of the start.
func TestPromiseADeadLetterTopicIsThereFromTheStart(t *testing.T) {
	promise(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 5)
		cfg := c.config()
		cfg.KeepTopics = true
		refused, err := kafka.NewConsumer(c.addrs, c.group(), []string{topic}, nothing, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := refused.Run(t.Context()); err == nil {
			t.Error("Run returned nil")
		} else {
			wants(t, err, errors.FailedPrecondition, c.dlq(topic))
		}
		c.run(topic, nothing, c.config())
		c.waitMembers(1)
		c.eventually("a dead-letter topic like its source", func() bool { // Not every broker knows it at once.
			topics, err := c.admin.ListTopics(t.Context(), topic, c.dlq(topic))
			source, dead := topics[topic], topics[c.dlq(topic)]
			return err == nil && len(dead.Partitions) == 5 && dead.Partitions.NumReplicas() == source.Partitions.NumReplicas()
		})
	})
}
