package kafka_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Whatever a record looks like, it is handled or a dead letter, byte for byte, and
// those beside it are handled.
func TestAbsurdRecordsAreHandledOrDeadLetters(t *testing.T) {
	many := make([]kafka.Header, 5000)
	for i := range many {
		many[i] = kafka.Header{Key: fmt.Sprint("h", i%10), Value: []byte{byte(i)}}
	}
	nines := []byte(strings.Repeat("9", 400))
	absurd := map[string]kafka.Record{
		"nothing at all":            {},
		"empty":                     {Key: []byte{}, Value: []byte{}, Headers: []kafka.Header{{}}},
		"thousands of headers":      {Headers: many},
		"a key of many bytes":       {Key: bytes.Repeat([]byte("k"), 300_000)},
		"a header of many bytes":    {Headers: []kafka.Header{{Key: "h", Value: bytes.Repeat([]byte{0xff}, 300_000)}}},
		"a header's name of many":   {Headers: []kafka.Header{{Key: strings.Repeat("h", 40_000)}}},
		"names that are no text":    {Headers: []kafka.Header{{Key: "\xff\xfe"}, {Key: "a\nb\x00"}}},
		"before 1970":               {Timestamp: time.UnixMilli(-5)},
		"in the far future":         {Timestamp: time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)},
		"counts beyond all numbers": {Headers: []kafka.Header{{Key: kafka.HeaderAttempts, Value: nines}, {Key: kafka.HeaderRedrives, Value: nines}, {Key: kafka.HeaderDeliveryCount, Value: nines}}},
		"counts below zero":         {Headers: []kafka.Header{{Key: kafka.HeaderAttempts, Value: []byte("-1")}, {Key: kafka.HeaderPartition, Value: []byte("-9")}}},
		"counts that are no text":   {Headers: []kafka.Header{{Key: kafka.HeaderAttempts, Value: []byte{0xff, 0}}, {Key: kafka.HeaderAttempts}, {Key: kafka.HeaderRedrives, Value: []byte{}}}},
		"times beyond all":          {Headers: []kafka.Header{{Key: kafka.HeaderTimestamp, Value: nines}, {Key: kafka.HeaderFirstFailure, Value: nines}}},
		"an origin that is none":    {Headers: []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("../../etc/passwd")}}},
		"origins":                   {Headers: []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/0/99999")}, {Key: kafka.HeaderOrigin, Value: []byte("orders/2147483647/9223372036854775807")}}},
		"a topic that is none":      {Headers: []kafka.Header{{Key: kafka.HeaderTopic, Value: bytes.Repeat([]byte("/"), 10_000)}}},
		"a code that is none":       {Headers: []kafka.Header{{Key: kafka.HeaderCode, Value: []byte("ok")}, {Key: kafka.HeaderReason, Value: []byte{0xff}}}},
		"a trace that is none":      {Headers: []kafka.Header{{Key: "traceparent", Value: nines}, {Key: "tracestate", Value: []byte{0xff}}, {Key: "baggage", Value: nines}}},
	}
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var log logBuffer
		cfg := quiet(t, b)
		cfg.FloodRatio, cfg.Logger = -1, slog.New(slog.NewTextHandler(&log, nil))
		var good atomic.Int64
		run(t, b, "g", []string{"orders"}, kafka.JSON(func(context.Context, order, *kafka.Record) error { good.Add(1); return nil }), cfg)
		sources := map[kafka.ID]kafka.Record{}
		for name, r := range absurd {
			r.Topic = "orders"
			written := b.Produce(t, r, kafka.Record{Topic: "orders", Value: []byte(`{"id":"o-1"}`)})
			sources[kafka.ID{Topic: "orders", Partition: written[0].Partition, Offset: written[0].Offset}] = written[0]
			_ = name
		}
		b.WaitCaughtUp(t, "orders", "g")
		if n := good.Load(); n != int64(len(absurd)) {
			t.Errorf("%d of the records beside them were handled, want %d", n, len(absurd))
		}
		dead := b.WaitRecords(t, "dlq.orders.g", len(absurd))
		if len(dead) != len(absurd) {
			t.Fatalf("%d dead letters, want %d", len(dead), len(absurd))
		}
		for _, d := range dead {
			f, ok := kafka.DecodeFailure(d.Headers)
			source, known := sources[f.Source]
			if !ok || !known || f.Code != errors.InvalidArgument || f.Redrives > 1_000_000 || f.Attempts > 1_000_000 {
				t.Errorf("failure: %+v", f)
				continue
			}
			delete(sources, f.Source)
			want := kafka.StripFailureHeaders(source.Headers)
			if diff := cmp.Diff([]any{source.Key, source.Value, want}, []any{d.Key, d.Value, kafka.StripFailureHeaders(d.Headers)}); diff != "" {
				t.Errorf("record %v changed: %.500s", f.Source, diff)
			}
			if len(d.Headers) > len(want)+15 {
				t.Errorf("%d headers for %d", len(d.Headers), len(want))
			}
		}
	})
}

// altering changes what is read from the broker while it is on. change gets the text
// that names the record, and all that was read with it.
func altering(b *kafkatest.Broker, on *atomic.Bool, change func(read []byte, text int)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := b.Dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &alteredConn{Conn: c, on: on, change: change}, nil
	}
}

type alteredConn struct {
	net.Conn
	on     *atomic.Bool
	change func(read []byte, text int)
}

func (c *alteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if i := bytes.Index(p[:n], []byte("fragile")); i >= 0 && c.on.Load() {
		c.change(p[:n], i)
	}
	return n, err
}

// corrupt changes the record, so that the batch's checksum does not fit.
func corrupt(read []byte, text int) { read[text] = 'X' }

// compressAsNobodyDoes says that the batch, which holds one record without a key, has
// the codec 7, of which there is none. Its checksum fits.
func compressAsNobodyDoes(read []byte, text int) {
	const header, beforeValue = 61, 6 // bytes of a batch, and of a record's lengths
	batch := read[text-header-beforeValue:]
	batch = batch[:12+binary.BigEndian.Uint32(batch[8:])]
	batch[22] |= 7
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
}

// A batch that is broken, on a disk or on the way, or written by a client of the
// future, stops its partition and no other; nothing is skipped, and the log says where.
func TestUnreadableBatchStopsOnlyItsPartition(t *testing.T) {
	for name, test := range map[string]struct {
		change func([]byte, int)
		says   string
	}{
		"checksum":            {corrupt, "crc"},
		"unknown compression": {compressAsNobodyDoes, "compression"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
				var log logBuffer
				var broken atomic.Bool
				broken.Store(true)
				cfg := quiet(t, b)
				cfg.Connection.Dial, cfg.Logger = altering(b, &broken, test.change), slog.New(slog.NewTextHandler(&log, nil))
				var got seen
				b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("one")}, kafka.Record{Topic: "orders", Partition: 1, Value: []byte("a")})
				b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("fragile")})
				b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("three")})
				run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
				time.Sleep(time.Minute)
				b.Produce(t, kafka.Record{Topic: "orders", Partition: 1, Value: []byte("b")})
				time.Sleep(time.Minute)
				if n := len(got.list()); n != 3 || committed(t, b, "orders", "g", 0) > 1 {
					t.Errorf("handled %q, committed %d", got.list(), committed(t, b, "orders", "g", 0))
				}
				if lines := log.lines("fetching records failed"); len(lines) == 0 || len(lines) > 13 || !strings.Contains(lines[0], test.says) || !strings.Contains(lines[0], "partition.id=0") {
					t.Errorf("%d lines: %q", len(lines), lines[:min(len(lines), 1)])
				}
				broken.Store(false)
				b.WaitCaughtUp(t, "orders", "g")
				if n := len(got.list()); n != 5 {
					t.Errorf("handled %q", got.list())
				}
			})
		})
	}
}

// A topic that is deleted and made anew begins at offset 0 again: its records are
// other records.
func TestTopicThatIsMadeAnewWhileItIsConsumed(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		var got seen
		cfg := quiet(t, b)
		cfg.Logger = slog.New(slog.DiscardHandler)
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
		b.Produce(t, records("orders", 20, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		b.WaitCaughtUp(t, "orders", "g")
		for range 3 {
			before := len(got.list())
			b.DeleteTopic(t, "orders")
			time.Sleep(time.Minute)
			b.CreateTopic(t, "orders", 2)
			b.Produce(t, records("orders", 7, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
			time.Sleep(15 * time.Minute)
			if n := len(got.list()) - before; n != 7 {
				t.Fatalf("handled %d records of the new topic, want 7", n)
			}
			b.WaitCaughtUp(t, "orders", "g")
		}
	})
}

// Partitions that are added are read from their first record, whatever a group
// begins with: nobody has seen their records.
func TestPartitionsThatAreAddedAreReadFromTheirStart(t *testing.T) {
	for _, atEnd := range []bool{false, true} {
		t.Run(fmt.Sprint("StartAtEnd ", atEnd), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				var got seen
				cfg := quiet(t, b)
				cfg.StartAtEnd = atEnd
				b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("old")})
				run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error { got.add(r); return nil }, cfg)
				b.WaitMembers(t, "g", 1)
				time.Sleep(10 * time.Second)
				cl, err := kgo.NewClient(b.ClientOptions()...)
				if err != nil {
					t.Fatal(err)
				}
				defer cl.Close()
				if _, err := kadm.NewClient(cl).UpdatePartitions(t.Context(), 4, "orders"); err != nil {
					t.Fatal(err)
				}
				for p := range int32(4) {
					b.Produce(t, kafka.Record{Topic: "orders", Partition: p, Value: fmt.Append(nil, p)})
				}
				time.Sleep(15 * time.Minute)
				want := 4
				if !atEnd {
					want++
				}
				if n := len(got.list()); n != want {
					t.Errorf("handled %q, want %d records", got.list(), want)
				}
			})
		})
	}
}

// Records that retention deletes before they were handled are a loss that nobody
// can mend: the log says which.
func TestRecordsThatAreDeletedBeforeTheyAreHandledAreLogged(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var log logBuffer
		cfg := quiet(t, b)
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c := run(t, b, "g", []string{"orders"}, nothing, cfg)
		b.Produce(t, records("orders", 5, func(i int) []byte { return nil })...)
		b.WaitCaughtUp(t, "orders", "g")
		c.stop(t)
		b.Produce(t, records("orders", 95, func(i int) []byte { return nil })...)
		if err := b.Cluster().DeleteRecords("orders", 0, 50); err != nil {
			t.Fatal(err)
		}
		run(t, b, "g", []string{"orders"}, nothing, cfg)
		b.WaitCaughtUp(t, "orders", "g")
		if lines := log.lines("records were deleted before they were handled"); len(lines) != 1 || !strings.Contains(lines[0], "from=5") || !strings.Contains(lines[0], "to=50") {
			t.Errorf("lines: %q", lines)
		}
	})
}

// Behind the same addresses there is another cluster: what was handled of the old
// one moves no offset of the new one.
func TestAnotherClusterBehindTheSameAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := func(id string) *kafkatest.Broker {
			return kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}, Virtual: true, Timeout: time.Hour, Options: []kfake.Opt{kfake.ClusterID(id)}})
		}
		blue, green := cluster("blue"), cluster("green")
		var now atomic.Pointer[kafkatest.Broker]
		now.Store(blue)
		cfg := quiet(t, blue)
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Connection.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return now.Load().Dial(ctx, network, address)
		}
		var mu sync.Mutex
		handled := map[string]int{}
		run(t, blue, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			mu.Lock()
			defer mu.Unlock()
			handled[string(r.Value)]++
			return nil
		}, cfg)
		for i := range 20 {
			blue.Produce(t, kafka.Record{Topic: "orders", Value: fmt.Append(nil, "blue", i)})
		}
		blue.WaitCaughtUp(t, "orders", "g")
		for i := range 30 {
			green.Produce(t, kafka.Record{Topic: "orders", Value: fmt.Append(nil, "green", i)})
		}
		now.Store(green)
		blue.Down()
		green.WaitCaughtUp(t, "orders", "g")
		mu.Lock()
		defer mu.Unlock()
		if len(handled) != 50 {
			t.Errorf("handled %d records, want 50", len(handled))
		}
	})
}

// A group ID that a share group has.
func TestGroupIDOfAShareGroup(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		other, err := kgo.NewClient(append(b.ClientOptions(), kgo.ConsumeTopics("orders"), kgo.ShareGroup("g"))...)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		polls, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			for polls.Err() == nil {
				other.PollFetches(polls)
			}
		}()
		time.Sleep(10 * time.Second)
		took, failed := failsToStart(t, b, []string{"orders"}, quiet(t, b))
		wants(t, failed, errors.FailedPrecondition, `group "g"`, "another type")
		if took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
