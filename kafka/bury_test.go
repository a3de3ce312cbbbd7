package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/sdk/metric"
)

func rejectAll(context.Context, *kafka.Record) error {
	return errors.InvalidArgument.New("bad").WithCause(fmt.Errorf("token=secret123"))
}

// Whatever goes wrong with writing a dead letter: the offset stays incomplete,
// the others go on, the log says what to do, and the dead letter is written once
// that was done.
func TestDeadLetterThatCannotBeWrittenIsNotLost(t *testing.T) {
	refuse := func(err *kerr.Error) func(*testing.T, *kafkatest.Broker) func() {
		return func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Err: err, Times: -1}).Lift
		}
	}
	for _, c := range []struct {
		name   string
		keep   bool // KeepTopics
		hurt   func(t *testing.T, b *kafkatest.Broker) (mend func())
		remedy string
	}{
		{"topic deleted, creation refused by a policy", false, func(t *testing.T, b *kafkatest.Broker) func() {
			b.DeleteTopic(t, "dlq.orders.g")
			return b.Fault(kafkatest.Fault{Request: kmsg.CreateTopics, Err: kerr.PolicyViolation, Times: -1}).Lift
		}, "cannot be created: kafka-topics.sh --bootstrap-server localhost:9092 --create --topic dlq.orders.g --partitions 2"},
		{"topic deleted, no permission to create", false, func(t *testing.T, b *kafkatest.Broker) func() {
			b.DeleteTopic(t, "dlq.orders.g")
			return b.Fault(kafkatest.Fault{Request: kmsg.CreateTopics, Err: kerr.TopicAuthorizationFailed, Times: -1}).Lift
		}, "--operation Create --topic dlq.orders.g"},
		{"topic deleted, none is to be created", true, func(t *testing.T, b *kafkatest.Broker) func() {
			b.DeleteTopic(t, "dlq.orders.g")
			return func() { b.CreateTopic(t, "dlq.orders.g", 2) }
		}, "the topic is gone: kafka-topics.sh --bootstrap-server localhost:9092 --create --topic dlq.orders.g --partitions 2"},
		{"no permission", false, refuse(kerr.TopicAuthorizationFailed), "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:<name> --operation Write --topic dlq.orders.g"},
		{"no permission to write at all", false, refuse(kerr.ClusterAuthorizationFailed), "--operation IdempotentWrite --cluster"},
		{"not enough replicas", false, refuse(kerr.NotEnoughReplicas), "too few replicas are in sync"},
		{"not enough replicas after it was written", false, refuse(kerr.NotEnoughReplicasAfterAppend), ""},
		{"disk full", false, refuse(kerr.KafkaStorageError), "check whether it is full"},
		{"no leader", false, refuse(kerr.LeaderNotAvailable), "that the topic has leaders"},
		{"refused by a policy", false, refuse(kerr.PolicyViolation), "a policy of the cluster refuses it"},
		{"made compact", false, refuse(kerr.InvalidRecord), "--entity-name dlq.orders.g --add-config cleanup.policy=delete"},
		{"clock wrong", false, refuse(kerr.InvalidTimestamp), "check its clock"},
		{"error that nobody knows", false, refuse(kerr.UnknownServerError), "check that the brokers run"},
		{"no answer", false, func(_ *testing.T, b *kafkatest.Broker) func() {
			return b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Hang: true, Times: -1}).Lift
		}, "no broker takes it"},
		{"too large, and the limit is not to be raised", true, func(t *testing.T, b *kafkatest.Broker) func() {
			setLimit(t, b, "dlq.orders.g", 100)
			return func() { setLimit(t, b, "dlq.orders.g", 1<<20) }
		}, "--entity-name dlq.orders.g --add-config max.message.bytes=65"},
		{"too large, and the limit may not be raised", false, func(t *testing.T, b *kafkatest.Broker) func() {
			setLimit(t, b, "dlq.orders.g", 100)
			alter := b.Fault(kafkatest.Fault{Request: kmsg.IncrementalAlterConfigs, Err: kerr.TopicAuthorizationFailed, Times: -1})
			return alter.Lift
		}, "--entity-name dlq.orders.g --add-config max.message.bytes=65"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2, "dlq.orders.g": 2}}, func(t *testing.T, b *kafkatest.Broker) {
				var got seen
				var log logBuffer
				cfg := quiet(t, b)
				cfg.KeepTopics, cfg.Logger = c.keep, slog.New(slog.NewTextHandler(&log, nil))
				reader := metric.NewManualReader()
				cfg.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
				consumer := run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
					if string(r.Value) == "3" {
						return errors.DataLoss.New("")
					}
					got.add(r)
					return nil
				}, cfg)
				b.WaitMembers(t, "g", 1)
				time.Sleep(time.Second)
				mend := c.hurt(t, b)
				written := b.Produce(t, records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				bad := written[3]
				time.Sleep(10 * time.Minute)
				b.Produce(t, kafka.Record{Topic: "orders", Partition: 1 - bad.Partition, Value: []byte("other partition")})
				time.Sleep(10 * time.Second)
				if at := committed(t, b, "orders", "g", int(bad.Partition)); at > bad.Offset {
					t.Errorf("committed %d while record %d is nowhere", at, bad.Offset)
				}
				if len(got.list()) != 10 {
					t.Errorf("handled %q", got.list())
				}
				st := consumer.Status()
				if st.InFlight != 1 || st.DeadLetters != 0 || st.Unwritten != 1 {
					t.Errorf("status: %+v", st)
				}
				if n := collect(t, reader)["kafka.consumer.unwritten"]; n != "1" {
					t.Errorf("kafka.consumer.unwritten is %q", n)
				}
				if lines := log.lines("dead letter could not be written"); len(lines) == 0 || len(lines) > 62 || !strings.Contains(lines[len(lines)-1], c.remedy) {
					t.Errorf("%d lines, want %q in the last of %q", len(lines), c.remedy, lines[max(len(lines)-1, 0):])
				}
				mend()
				b.WaitCaughtUp(t, "orders", "g")
				ids := map[kafka.ID]bool{}
				for _, r := range b.WaitRecords(t, "dlq.orders.g", 1) {
					ids[r.ID()] = true
				}
				if !ids[kafka.ID{Topic: "orders", Partition: bad.Partition, Offset: bad.Offset}] || len(ids) != 1 {
					t.Errorf("dead letters: %v", ids)
				}
			})
		})
	}
}

// A dead letter whose topic takes nothing does not hold up those of other topics,
// however many there are.
func TestDeadLettersThatHangDoNotHoldUpOthers(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "payments": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.FloodRatio, cfg.Logger = -1, slog.New(slog.DiscardHandler)
		run(t, b, "g", []string{"orders", "payments"}, rejectAll, cfg)
		b.WaitMembers(t, "g", 1)
		time.Sleep(time.Second)
		b.Fault(kafkatest.Fault{Topic: "dlq.orders.g", Err: kerr.LeaderNotAvailable, Times: -1}) // tried for seconds each time
		once := b.Fault(kafkatest.Fault{Topic: "dlq.payments.g", Err: kerr.UnknownServerError, Times: 1})
		b.Produce(t, records("orders", 500, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		time.Sleep(2 * time.Minute)
		b.Produce(t, kafka.Record{Topic: "payments"})
		once.Wait(t, 1)
		start := time.Now()
		b.WaitCaughtUp(t, "payments", "g")
		if took := time.Since(start); took > time.Minute {
			t.Errorf("the other topic's dead letter took %v", took)
		}
	})
}

// A broker that is away for longer than any timeout: what was to be a dead letter
// is one when it is back.
func TestDeadLettersSurviveAClusterThatIsAway(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.FloodRatio, cfg.Logger = -1, slog.New(slog.DiscardHandler)
		handling, decide := make(chan struct{}, 30), make(chan struct{})
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			handling <- struct{}{}
			<-decide
			return rejectAll(context.Background(), r)
		}, cfg)
		b.Produce(t, records("orders", 30, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
		for range 30 {
			<-handling
		}
		b.Down()
		close(decide)
		time.Sleep(time.Hour)
		if err := b.Up(); err != nil {
			t.Fatal(err)
		}
		b.WaitCaughtUp(t, "orders", "g")
		ids := map[kafka.ID]bool{}
		for _, d := range b.WaitDeadLetters(t, "orders", "g", 30) {
			ids[d.Record.ID()] = true
		}
		if len(ids) != 30 {
			t.Errorf("%d records are dead letters, want 30", len(ids))
		}
	})
}

// The dead-letter topic may have fewer partitions than the source, or more, and
// may be made anew with fewer while the consumer runs.
func TestDeadLettersGoIntoTopicsOfOtherSizes(t *testing.T) {
	for _, partitions := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3, "dlq.orders.g": partitions}}, func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.FloodRatio, cfg.Logger = -1, slog.New(slog.DiscardHandler)
				run(t, b, "g", []string{"orders"}, rejectAll, cfg)
				b.Produce(t, records("orders", 30, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				for _, d := range b.WaitDeadLetters(t, "orders", "g", 30) {
					if want := d.Record.Partition % int32(partitions); d.Partition != want {
						t.Errorf("dead letter of partition %d lies in %d, want %d", d.Record.Partition, d.Partition, want)
					}
				}
				b.WaitCaughtUp(t, "orders", "g")
				b.DeleteTopic(t, "dlq.orders.g")
				b.CreateTopic(t, "dlq.orders.g", 1)
				b.Produce(t, records("orders", 30, func(i int) []byte { return fmt.Appendf(nil, "%d", i) })...)
				b.WaitDeadLetters(t, "orders", "g", 30)
				b.WaitCaughtUp(t, "orders", "g")
			})
		})
	}
}

// A topic that stamps records itself changes nothing: the record's own time is in
// a header.
func TestDeadLettersInTopicsThatStampRecords(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		setConfig(t, b, "dlq.orders.g", "message.timestamp.type", "LogAppendTime")
		run(t, b, "g", []string{"orders"}, rejectAll, quiet(t, b))
		at := time.UnixMilli(1_500_000_000_000)
		b.Produce(t, kafka.Record{Topic: "orders", Timestamp: at})
		d := b.WaitDeadLetters(t, "orders", "g", 1)[0]
		if !d.Record.Timestamp.Equal(at) || time.Since(d.Time) > time.Minute {
			t.Errorf("the record's time is %v, the dead letter's %v", d.Record.Timestamp, d.Time)
		}
	})
}

// A record that was small because its producer compressed it well fits into a
// dead-letter topic of the same limit, when that may not be raised.
func TestDeadLetterIsCompressedAsItsRecordWas(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cl, err := kgo.NewClient(append(b.ClientOptions(), kgo.ProducerBatchMaxBytes(8<<20), kgo.ProducerBatchCompression(kgo.GzipCompression()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		words := make([]byte, 1<<20) // four bits a byte: gzip halves it, snappy does not
		_, _ = rand.NewChaCha8([32]byte{}).Read(words)
		for i := range words {
			words[i] = "etaoin shrdlucmf"[words[i]&0xf]
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Value: words}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		cfg := quiet(t, b)
		cfg.KeepTopics = true
		run(t, b, "g", []string{"orders"}, rejectAll, cfg)
		if d := b.WaitDeadLetters(t, "orders", "g", 1)[0]; !bytes.Equal(d.Record.Value, words) {
			t.Error("the value was changed")
		}
		b.WaitCaughtUp(t, "orders", "g")
	})
}

func setLimit(t *testing.T, b *kafkatest.Broker, topic string, limit int) {
	t.Helper()
	setConfig(t, b, topic, "max.message.bytes", fmt.Sprint(limit))
}

func setConfig(t *testing.T, b *kafkatest.Broker, topic, name, value string) {
	t.Helper()
	cl, err := kgo.NewClient(b.ClientOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	responses, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range responses {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
}

// logBuffer keeps what is logged.
type logBuffer struct{ locked.Buffer }

// lines returns the lines that hold the text.
func (l *logBuffer) lines(text string) (found []string) {
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
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

// Spring's headers repeat the stack and the message: they are cut as well where the
// record does not fit with them.
func TestLargeDeadLetterLosesTheStackAndTheMessageInSpringsHeadersToo(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.orders.g": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		value := make([]byte, 990_000)
		_, _ = rand.NewChaCha8([32]byte{}).Read(value) // does not compress
		setLimit(t, b, "dlq.orders.g", len(value)+1800)
		cfg := quiet(t, b)
		cfg.KeepTopics, cfg.SpringHeaders, cfg.Attempts, cfg.OutageRatio = true, true, 1, -1
		noise := make([]byte, 3000)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { panic(fmt.Sprintf("%x", noise)) }, cfg)
		b.Produce(t, kafka.Record{Topic: "orders", Value: value})
		d := b.WaitDeadLetters(t, "orders", "g", 1)[0]
		if !bytes.Equal(d.Record.Value, value) || d.Failure.Code != errors.Internal {
			t.Errorf("the value was changed, or the code, %v", d.Failure.Code)
		}
		b.WaitCaughtUp(t, "orders", "g")
	})
}

// Brokers answer before all of them know a topic that was created. The first dead
// letters must not fail for that.
func TestStartWaitsUntilItsDeadLetterTopicCanBeWrittenTo(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Request: kmsg.Metadata, Topic: "dlq.orders.g", Err: kerr.UnknownTopicOrPartition, Times: 10})
		var rejected time.Time
		c := run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
			rejected = time.Now()
			return errors.InvalidArgument.New("")
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders"})
		b.WaitCaughtUp(t, "orders", "g")
		if took := time.Since(rejected); took > 1500*time.Millisecond || c.Status().DeadLetters != 1 { // with the commit
			t.Errorf("the dead letter was written and committed after %v, %d dead letters", took, c.Status().DeadLetters)
		}
	})
}
