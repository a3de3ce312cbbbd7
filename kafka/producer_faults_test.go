package kafka_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What each answer of a broker becomes, whether the record may have been written,
// and when the caller learns it.
func TestPublishSaysWhatTheBrokerAnswered(t *testing.T) {
	const soon, timeout = 2 * time.Second, 30 * time.Second
	for _, c := range []struct {
		err     *kerr.Error
		request kmsg.Key
		code    errors.Code
		maybe   bool
		within  time.Duration
		text    string
	}{
		{err: kerr.NotEnoughReplicas, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.NotEnoughReplicasAfterAppend, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.RequestTimedOut, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.NotLeaderForPartition, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.KafkaStorageError, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.InvalidRecord, code: errors.InvalidArgument, within: soon, text: `the topic "orders" refuses the record`},
		{err: kerr.InvalidTimestamp, code: errors.InvalidArgument, within: soon, text: `refuses the record's timestamp`},
		{err: kerr.CorruptMessage, code: errors.Unavailable, within: soon, text: "CORRUPT_MESSAGE"},
		{err: kerr.PolicyViolation, code: errors.FailedPrecondition, within: soon, text: "POLICY_VIOLATION"},
		{err: kerr.TopicAuthorizationFailed, code: errors.PermissionDenied, within: soon, text: "TOPIC_AUTHORIZATION_FAILED"},
		{err: kerr.ClusterAuthorizationFailed, code: errors.PermissionDenied, within: soon, text: "CLUSTER_AUTHORIZATION_FAILED"},
		{err: kerr.ClusterAuthorizationFailed, request: kmsg.InitProducerID, code: errors.PermissionDenied, within: soon, text: "CLUSTER_AUTHORIZATION_FAILED"},
		{err: kerr.TopicAuthorizationFailed, request: kmsg.Metadata, code: errors.PermissionDenied, within: soon, text: "TOPIC_AUTHORIZATION_FAILED"},
		{err: kerr.LeaderNotAvailable, request: kmsg.Metadata, code: errors.Unavailable, maybe: true, within: timeout, text: "within the delivery timeout of 30s"},
		{err: kerr.UnknownServerError, code: errors.Unknown, maybe: true, within: soon, text: "UNKNOWN_SERVER_ERROR"},
	} {
		t.Run(fmt.Sprint(c.request.Name(), c.err.Message), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				fault := kafkatest.Fault{Request: c.request, Topic: "orders", Err: c.err, Times: -1}
				if c.request == kmsg.InitProducerID {
					fault.Topic = ""
				}
				b.Fault(fault)
				p := producer(t, b, kafka.ProducerConfig{})
				start := time.Now()
				err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
				took := time.Since(start)
				f := failures(t, err)
				if errors.CodeOf(err) != c.code || f[0].MayBeWritten != c.maybe || !strings.Contains(err.Error(), c.text) || took > c.within {
					t.Errorf("after %v: may be written: %v, code %v: %v", took, f[0].MayBeWritten, errors.CodeOf(err), err)
				}
			})
		})
	}
}

// Answers after which the client mends itself: the record is written once.
func TestPublishMendsWhatCanBeMended(t *testing.T) {
	for _, err := range []*kerr.Error{
		kerr.InvalidProducerEpoch, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.NotLeaderForPartition, kerr.NotEnoughReplicas,
		kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, // written, and recognised when they come again
	} {
		t.Run(err.Message, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				p := producer(t, b, kafka.ProducerConfig{})
				if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"}); err != nil {
					t.Fatal(err)
				}
				b.Fault(kafkatest.Fault{Topic: "orders", Err: err, Times: 2})
				r := &kafka.Record{Topic: "orders"}
				if err := p.Publish(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if n := len(b.Records(t, "orders")); n != 2 || r.Offset != 1 {
					t.Errorf("%d records, want 2; offset %d", n, r.Offset)
				}
			})
		})
	}
}

// fillBuffer takes so many places of a producer's buffer with records that no broker
// takes, until the returned function is called.
func fillBuffer(t *testing.T, b *kafkatest.Broker, p *kafka.Producer, n int, value []byte) (empty func()) {
	t.Helper()
	fault := b.Fault(kafkatest.Fault{Topic: "stuck", Err: kerr.NotLeaderForPartition, Times: -1})
	for range n {
		p.PublishAsync(t.Context(), &kafka.Record{Topic: "stuck", Value: value}, func(*kafka.Record, error) {})
	}
	return fault.Lift
}

// A call with many records waits for its own where others fill the buffer, and
// what it writes is in order.
func TestPublishKeepsTheOrderWhereTheBufferIsFull(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "stuck": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{MaxBuffered: 10})
		fillBuffer(t, b, p, 8, nil)
		many := make([]*kafka.Record, 100)
		for i := range many {
			many[i] = &kafka.Record{Topic: "orders", Value: fmt.Append(nil, i)}
		}
		if err := p.Publish(t.Context(), many...); err != nil {
			t.Fatal(err)
		}
		for i, r := range b.Records(t, "orders") {
			if string(r.Value) != fmt.Sprint(i) {
				t.Fatalf("record %d is %s", i, r.Value)
			}
		}
	})
}

func TestPublishLeavesOutAllThatComesAfterARecordWithoutRoom(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "stuck": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{MaxBufferedBytes: 10_000})
		empty := fillBuffer(t, b, p, 1, make([]byte, 9_000))
		three := []*kafka.Record{
			{Topic: "orders", Value: []byte("first")}, {Topic: "orders", Value: make([]byte, 2_000)}, {Topic: "orders", Value: []byte("last")},
		}
		start := time.Now()
		err := p.Publish(t.Context(), three...)
		f := failures(t, err)
		if errors.CodeOf(err) != errors.ResourceExhausted || len(f) != 2 || f[0].Record != three[1] || f[1].Record != three[2] ||
			f[0].MayBeWritten || f[1].MayBeWritten || time.Since(start) > 2*time.Second {
			t.Errorf("%d failed after %v: %v", len(f), time.Since(start), err)
		}
		if n := len(b.Records(t, "orders")); n != 1 {
			t.Errorf("%d records, want the first", n)
		}
		empty()
		time.Sleep(time.Minute)
		if err := p.Publish(t.Context(), three[1], three[2]); err != nil {
			t.Fatal(err)
		}
		if got := b.Records(t, "orders"); len(got) != 3 || string(got[2].Value) != "last" {
			t.Errorf("%d records, want 3 in order", len(got))
		}
	})
}

func TestPublishNamesTheRecordsThatFailed(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "payments": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Topic: "payments", Err: kerr.TopicAuthorizationFailed, Times: -1})
		p := producer(t, b, kafka.ProducerConfig{})
		all := []*kafka.Record{{Topic: "orders"}, {Topic: "missing"}, {Topic: "payments"}, {Topic: "orders"}, {Topic: "orders", Value: make([]byte, 2<<20)}}
		codes := map[*kafka.Record]errors.Code{all[1]: errors.FailedPrecondition, all[2]: errors.PermissionDenied, all[4]: errors.InvalidArgument}
		f := failures(t, p.Publish(t.Context(), all...))
		if len(f) != len(codes) {
			t.Errorf("%d failed, want %d", len(f), len(codes))
		}
		for _, failed := range f {
			if failed.MayBeWritten || errors.CodeOf(failed.Err) != codes[failed.Record] {
				t.Errorf("%s: may be written: %v, %v", failed.Record.Topic, failed.MayBeWritten, failed.Err)
			}
		}
		if all[0].Offset != 0 || all[3].Offset != 1 || all[3].Timestamp.IsZero() {
			t.Errorf("offsets %d and %d, stamped %v", all[0].Offset, all[3].Offset, all[3].Timestamp)
		}
	})
}

// A batch that the topic does not take fails with all that waits behind it. Those
// that are small are not to blame.
func TestPublishDoesNotBlameSmallRecordsForALargeOne(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		setLimit(t, b, "orders", 100_000)
		p := producer(t, b, kafka.ProducerConfig{Linger: time.Second})
		value := make([]byte, 900_000)
		_, _ = rand.NewChaCha8([32]byte{}).Read(value) // does not compress
		large, small := &kafka.Record{Topic: "orders", Value: value}, &kafka.Record{Topic: "orders"}
		for _, f := range failures(t, p.Publish(t.Context(), large, small)) {
			want := errors.InvalidArgument
			if f.Record == small {
				want = errors.Unavailable
			}
			if errors.CodeOf(f.Err) != want || f.MayBeWritten {
				t.Errorf("record of %d bytes: may be written: %v, %v", len(f.Record.Value), f.MayBeWritten, f.Err)
			}
		}
		if err := p.Publish(t.Context(), small); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestPublishThatIsCancelledSaysThatTheRecordMayBeWritten(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		fault := b.Fault(kafkatest.Fault{Topic: "orders", Err: kerr.NotLeaderForPartition, Times: -1})
		p := producer(t, b, kafka.ProducerConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := p.Publish(ctx, &kafka.Record{Topic: "orders"})
		if f := failures(t, err); errors.CodeOf(err) != errors.Canceled || !f[0].MayBeWritten || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		fault.Lift()
		b.WaitRecords(t, "orders", 1) // as it said
	})
}

// What becomes of a record after its call was given up is no matter of the calls
// that come after it.
func TestPublishAfterOneThatWasCancelled(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "payments": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Topic: "orders", Err: kerr.NotLeaderForPartition, Times: -1})
		p := producer(t, b, kafka.ProducerConfig{})
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if failures(t, p.Publish(ctx, &kafka.Record{Topic: "orders"})); ctx.Err() == nil {
				t.Error("it failed before it was given up")
			}
			cancel()
			start := time.Now()
			if err := p.Publish(t.Context(), &kafka.Record{Topic: "payments"}); err != nil || time.Since(start) > time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
	})
}

// A topic that is deleted and made anew has another ID, and the client keeps to
// the old one: the first record after that may fail, the next ones do not.
func TestPublishToATopicThatWasMadeAnew(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		for range 3 {
			if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"}); err != nil {
				t.Fatal(err)
			}
			b.DeleteTopic(t, "orders")
			start := time.Now()
			err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
			if f := failures(t, err); errors.CodeOf(err) != errors.FailedPrecondition || f[0].MayBeWritten || time.Since(start) > 5*time.Second {
				t.Errorf("deleted, after %v: may be written: %v, %v", time.Since(start), f[0].MayBeWritten, err)
			}
			b.CreateTopic(t, "orders", 1)
			for range 3 {
				if err = p.Publish(t.Context(), &kafka.Record{Topic: "orders"}); err == nil {
					break
				}
				time.Sleep(time.Second)
			}
			if err != nil {
				t.Errorf("made anew: %v", err)
			}
		}
	})
}

func TestPublishAfterClose(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		p := producer(t, b, kafka.ProducerConfig{})
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		outcome := make(chan error, 1)
		p.PublishAsync(t.Context(), &kafka.Record{Topic: "orders"}, func(_ *kafka.Record, err error) { outcome <- err })
		for _, err := range []error{p.Publish(t.Context(), &kafka.Record{Topic: "orders"}), <-outcome} {
			if f := failures(t, err); errors.CodeOf(err) != errors.FailedPrecondition || f[0].MayBeWritten || !strings.Contains(err.Error(), "the producer is closed") {
				t.Errorf("may be written: %v, %v", f[0].MayBeWritten, err)
			}
		}
	})
}

// Close waits for what is under way, and gives it up at its deadline: nobody who
// published is left waiting.
func TestCloseWithRecordsUnderWay(t *testing.T) {
	for _, mended := range []bool{true, false} {
		t.Run(fmt.Sprint("mended ", mended), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				fault := b.Fault(kafkatest.Fault{Topic: "orders", Err: kerr.NotLeaderForPartition, Times: -1})
				p := producer(t, b, kafka.ProducerConfig{})
				outcomes := make(chan error, 2)
				p.PublishAsync(t.Context(), &kafka.Record{Topic: "orders"}, func(_ *kafka.Record, err error) { outcomes <- err })
				go func() { outcomes <- p.Publish(t.Context(), &kafka.Record{Topic: "orders"}) }()
				time.Sleep(time.Second)
				if mended {
					time.AfterFunc(2*time.Second, fault.Lift)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				closed := p.Close(ctx)
				for range 2 {
					err := <-outcomes
					switch {
					case mended && err != nil:
						t.Errorf("outcome: %v", err)
					case !mended && (errors.CodeOf(err) != errors.Unavailable || !failures(t, err)[0].MayBeWritten):
						t.Errorf("outcome: %v", err)
					}
				}
				if mended != (closed == nil) || !mended && !strings.Contains(closed.Error(), "2 records are not acknowledged") {
					t.Errorf("Close: %v", closed)
				}
			})
		})
	}
}

func TestPublishWithARefusedCredential(t *testing.T) {
	bubble(t, secured(), func(t *testing.T, b *kafkatest.Broker) {
		b.Fault(kafkatest.Fault{Request: kmsg.SASLAuthenticate, Err: kerr.SaslAuthenticationFailed, Times: -1})
		p := producer(t, b, kafka.ProducerConfig{Connection: kafka.Connection{Options: as("svc", "wrong")}})
		start := time.Now()
		err := p.Publish(t.Context(), &kafka.Record{Topic: "orders"})
		if errors.CodeOf(err) != errors.Unauthenticated || time.Since(start) > 30*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
