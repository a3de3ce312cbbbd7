package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/backend-platform/sdk/kafka"
)

// rejectInShareGroup lets Java's console consumer reject n records as a member of a share group.
func (c *cluster) rejectInShareGroup(topic string, n int) {
	c.t.Helper()
	got := c.tool("", "org.apache.kafka.tools.consumer.ConsoleShareConsumer", "--topic", topic, "--group", c.group(),
		"--reject", "--max-messages", strconv.Itoa(n), "--timeout-ms", strconv.FormatInt(c.limit.Milliseconds(), 10))
	if len(got) != n {
		c.t.Fatalf("the share group got %q, want %d records", got, n)
	}
}

// deadLettersOfShareGroup makes the dead-letter topic of the test's group, which is a share
// group (KIP-1191), and lets the broker write n dead letters.
func (c *cluster) deadLettersOfShareGroup(topic string, n int, copied bool) []kafka.DeadLetter {
	c.t.Helper()
	c.create(c.dlq(topic), 1, "errors.deadletterqueue.group.enable", "true")
	c.configureGroup("share.auto.offset.reset", "earliest", "errors.deadletterqueue.topic.name", c.dlq(topic),
		"errors.deadletterqueue.copy.record.enable", strconv.FormatBool(copied))
	c.rejectInShareGroup(topic, n)
	return c.waitDeadLetters(topic, n)
}

// The dead letters that Kafka itself writes for a share group have neither key nor value:
// the record is read where it failed, put back once, and no other time.
func TestPromiseAShareGroupsDeadLettersArePutBack(t *testing.T) {
	withTools(t, func(t *testing.T, c *cluster) {
		const n = 5
		topic := c.topic("orders", 2)
		c.forgetRedrives(topic)
		var records []kafka.Record
		for i := range n {
			r := kafka.Record{Topic: topic, Partition: int32(i % 2), Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Append(nil, i)}
			r.Headers = []kafka.Header{{Key: "tag", Value: r.Key}}
			records = append(records, r)
		}
		written := c.produce(records...)
		for _, d := range c.deadLettersOfShareGroup(topic, n, false) {
			i := slices.IndexFunc(written, func(r kafka.Record) bool { return r.ID() == d.Record.ID() })
			if i < 0 {
				t.Fatalf("a dead letter of %v", d.Record.ID())
			}
			want := written[i]
			if d.Writer != kafka.WriterShareGroup || d.Lost || string(d.Record.Key) != string(want.Key) || string(d.Record.Value) != string(want.Value) ||
				len(d.Record.Headers) != 1 || string(d.Record.Headers[0].Value) != string(want.Key) || !d.Failure.Timestamp.Equal(want.Timestamp.Truncate(1e6)) {
				t.Errorf("%+v, want the record %+v", d, want)
			}
			if f := d.Failure; f.Message == "" || f.Deliveries != 1 || f.Group != c.group() || f.Hops != 1 {
				t.Errorf("failure %+v", f)
			}
		}
		for _, want := range []kafka.RedriveResult{{Redriven: n}, {}} {
			got, err := kafka.Redrive(t.Context(), c.addrs, topic, c.group(), kafka.RedriveConfig{Logger: discard})
			if err != nil || got != want {
				t.Fatalf("redrive: %+v, %v, want %+v", got, err, want)
			}
		}
		back := c.allRecords(topic, 2)
		if len(back) != 2*n {
			t.Fatalf("the topic has %d records, want %d", len(back), 2*n)
		}
		for _, r := range back {
			i, _ := strconv.Atoi(string(r.Value))
			if want := written[i]; r.Partition != want.Partition || string(r.Key) != string(want.Key) || string(r.Headers[0].Value) != string(want.Key) {
				t.Errorf("record %d/%d is %s=%s with %v", r.Partition, r.Offset, r.Key, r.Value, r.Headers)
			}
		}
		c.rejectInShareGroup(topic, n) // What came back is another record to a share group: it fails as one.
		for i, d := range c.waitDeadLetters(topic, 2*n)[n:] {
			if d.Record.ID() != written[mustNumber(t, d.Record.Value)].ID() || d.Failure.Redrives != 1 {
				t.Errorf("dead letter %d after the redrive is of %v and was put back %d times", i, d.Record.ID(), d.Failure.Redrives)
			}
		}
	})
}

func mustNumber(t *testing.T, text []byte) int {
	t.Helper()
	n, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Where the source has deleted the record, browse says that it is lost, and a redrive leaves
// the dead letter alone, unless the broker was told to copy records.
func TestPromiseAShareGroupsDeadLetterMayHaveLostItsRecord(t *testing.T) {
	for name, copied := range map[string]bool{"copied": true, "not copied": false} {
		t.Run(name, func(t *testing.T) {
			withTools(t, func(t *testing.T, c *cluster) {
				topic := c.topic("orders", 1)
				c.forgetRedrives(topic)
				c.fill(topic, 1, 1, 2)
				c.deadLettersOfShareGroup(topic, 2, copied)
				deleteRecords(c, topic, 1)
				dead := c.deadLetters(topic)
				if dead[0].Lost == copied || dead[1].Lost || string(dead[1].Record.Value) != "1" || copied && string(dead[0].Record.Value) != "0" {
					t.Errorf("lost: %v, %v; values %q, %q", dead[0].Lost, dead[1].Lost, dead[0].Record.Value, dead[1].Record.Value)
				}
				want := kafka.RedriveResult{Redriven: 1, Unreadable: 1}
				if copied {
					want = kafka.RedriveResult{Redriven: 2}
				}
				got, err := kafka.Redrive(context.WithoutCancel(t.Context()), c.addrs, topic, c.group(), kafka.RedriveConfig{Logger: discard})
				if err != nil || got != want {
					t.Errorf("redrive: %+v, %v, want %+v", got, err, want)
				}
			})
		})
	}
}
