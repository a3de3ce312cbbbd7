package kafka_test

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func browse(t *testing.T, b *kafkatest.Broker, cfg kafka.BrowseConfig) []*kafka.DeadLetter {
	t.Helper()
	cfg.Connection.Dial = b.Dial
	var all []*kafka.DeadLetter
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), topic, group, cfg) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func TestBrowseDecodesTheFailureAndKeepsTheRecord(t *testing.T) {
	b := start(t, 2)
	failed := time.UnixMilli(1790000000123)
	headers := []kafka.Header{{Key: "b", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "b", Value: []byte{}}}
	f := kafka.Failure{
		Origin: kafka.ID{Topic: topic, Partition: 1, Offset: 3}, Source: kafka.ID{Topic: topic, Partition: 1, Offset: 9},
		Group: group, Code: errors.FailedPrecondition, Reason: "OUT_OF_STOCK", Message: "Only 2 left.", Stack: "main.go:1",
		Deliveries: 2, Attempts: 10, Timestamp: own, FirstFailure: own.Add(time.Hour),
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Redrives: 1, Hops: 2,
	}
	b.Produce(t, kafka.Record{Topic: dlq, Partition: 1, Value: []byte{}, Headers: f.AppendHeaders(headers), Timestamp: failed})

	got := browse(t, b, kafka.BrowseConfig{})
	want := []*kafka.DeadLetter{{
		Record: kafka.Record{
			Topic: topic, Partition: 1, Offset: 3, LeaderEpoch: -1, Value: []byte{}, Headers: headers, Timestamp: own,
		},
		Failure: f, Writer: kafka.WriterSDK, Readable: true, Topic: dlq, Partition: 1, Offset: 0, Time: failed,
	}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(kafka.Record{})); diff != "" {
		t.Fatalf("dead letters (-want +got):\n%s", diff)
	}
	if id := got[0].Record.ID(); id != f.Origin {
		t.Errorf("ID %v, want the origin %v", id, f.Origin)
	}
	if id := got[0].TraceID(); id != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("trace ID %q", id)
	}
}

func TestBrowseShowsWhatItCannotRead(t *testing.T) {
	b := start(t, 1)
	b.Produce(t,
		kafka.Record{Topic: dlq, Value: []byte("by hand"), Headers: []kafka.Header{{Key: "h"}}},
		kafka.Record{Topic: dlq, Headers: []kafka.Header{{Key: kafka.HeaderTopic, Value: []byte("no/topic")}, {Key: kafka.HeaderMessage, Value: []byte("m")}}},
	)
	got := browse(t, b, kafka.BrowseConfig{})
	if len(got) != 2 || got[0].Readable || got[1].Readable {
		t.Fatalf("dead letters %v, want 2 that are not readable", got)
	}
	if string(got[0].Record.Value) != "by hand" || len(got[0].Record.Headers) != 1 || got[0].Record.Topic != dlq {
		t.Errorf("record %+v, want it as it lies there", got[0].Record)
	}
	if got[1].Failure.Message != "m" {
		t.Errorf("failure %+v, want what could be read", got[1].Failure)
	}
}

func TestBrowseIsBoundedByWhatIsThereAtItsStart(t *testing.T) {
	b := start(t, 2)
	b.Produce(t, deadLetters(0, 3)...)
	n := 0
	for _, err := range kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		b.Produce(t, deadLetters(int32(n%2), 1)...)
	}
	if n != 3 {
		t.Errorf("%d dead letters, want the 3 that were there at the start", n)
	}
}

func TestBrowseKeepsTheOrderAndStopsWhenAskedTo(t *testing.T) {
	b := start(t, 3)
	for p := range int32(3) {
		b.Produce(t, deadLetters(p, 1500)...)
	}
	var want, got []string
	for p := range int32(3) {
		for i := range 1500 {
			want = append(want, (kafka.ID{Topic: topic, Partition: p, Offset: int64(i)}).String())
		}
	}
	for _, d := range browse(t, b, kafka.BrowseConfig{}) {
		got = append(got, string(d.Record.Value))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for range kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{}) {
		break
	}
	if info := b.Cluster().GroupInfo("redrive." + dlq); info != nil {
		t.Errorf("browsing left a group: %+v", info)
	}
}

func TestBrowsePassesOffsetsWithoutRecords(t *testing.T) {
	b := start(t, 1)
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		c, err := kgo.NewClient(append(b.ClientOptions(), kgo.TransactionalID("tx"))...)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := dead(0, int64(i), nil)
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: dlq, Value: r.Value, Headers: clientHeaders(r)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := c.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	var got []string
	for _, d := range browse(t, b, kafka.BrowseConfig{}) {
		got = append(got, string(d.Record.Value))
	}
	if diff := cmp.Diff([]string{"orders/0/0", "orders/0/2"}, got); diff != "" {
		t.Errorf("dead letters that were committed (-want +got):\n%s", diff)
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 2})
	p, err := b.Progress(dlq, "redrive."+dlq)
	if err != nil || p.Lag() != 0 {
		t.Errorf("progress %v, want none left: the last offset is a marker (%v)", p, err)
	}
}

func TestBrowseGoesOnAfterRecordsThatRetentionDeleted(t *testing.T) {
	b := start(t, 1)
	random := rand.NewChaCha8([32]byte{}) // What compresses would fit in one fetch.
	big := func(r *kafka.Record, _ *kafka.Failure) {
		r.Value = make([]byte, 900<<10)
		_, _ = random.Read(r.Value)
	}
	for i := range int64(8) { // More than one fetch holds.
		b.Produce(t, dead(0, i, big))
	}
	if err := b.Cluster().DeleteRecords(dlq, 0, 1); err != nil {
		t.Fatal(err)
	}
	var got []int64
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			if err := b.Cluster().DeleteRecords(dlq, 0, 7); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, d.Offset)
	}
	if got[0] != 1 || got[len(got)-1] != 7 || len(got) == 7 || !slices.IsSorted(got) {
		t.Errorf("offsets %v, want them from 1 to 7 with a gap", got)
	}
}

func TestBrowseWaitsForALeaderAndSaysWhenThereIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{dlq: 1}, Virtual: true})
		b.Produce(t, deadLetters(0, 1)...)
		b.Fault(kafkatest.Fault{Request: kmsg.Fetch, Topic: dlq, Err: kerr.NotLeaderForPartition, Times: 5})
		if got := browse(t, b, kafka.BrowseConfig{}); len(got) != 1 {
			t.Errorf("%d dead letters, want 1", len(got))
		}
		b.Fault(kafkatest.Fault{Request: kmsg.Fetch, Topic: dlq, Err: kerr.NotLeaderForPartition, Times: -1})
		cfg := kafka.BrowseConfig{Connection: kafka.Connection{Dial: b.Dial}}
		begin := time.Now()
		err := firstError(kafka.Browse(t.Context(), b.Addrs(), topic, group, cfg))
		if !errors.Is(err, kerr.NotLeaderForPartition) || !strings.Contains(err.Error(), `read topic "dlq.orders.shipping", partition 0, from offset 0: `) {
			t.Errorf("error %v", err)
		}
		if errors.CodeOf(err) != errors.Unavailable {
			t.Errorf("code %v, want unavailable", errors.CodeOf(err))
		}
		if waited := time.Since(begin); waited < 5*time.Second || waited > 20*time.Second {
			t.Errorf("gave up after %s, want about 12s", waited)
		}
	})
}

func TestBrowseStopsAtOnceAtWhatWaitingCannotMend(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 1)...)
	b.Fault(kafkatest.Fault{Request: kmsg.Fetch, Topic: dlq, Err: kerr.TopicAuthorizationFailed, Times: -1})
	err := firstError(kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{}))
	if errors.CodeOf(err) != errors.PermissionDenied {
		t.Errorf("error %v, want permission_denied", err)
	}
}

func TestBrowseSaysThatNoBrokerAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
		cfg := kafka.BrowseConfig{Connection: kafka.Connection{Dial: dial}}
		begin := time.Now()
		err := firstError(kafka.Browse(t.Context(), []string{"kafka.example.com:9092"}, topic, group, cfg))
		if errors.CodeOf(err) != errors.Unavailable || !strings.Contains(err.Error(), "kafka.example.com:9092") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error %v", err)
		}
		if waited := time.Since(begin); waited > 11*time.Second {
			t.Errorf("said so after %s, want at most 10s", waited)
		}
	})
}

func TestBrowseEndsWithItsContext(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 2000)...)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	var last error
	for _, err := range kafka.Browse(ctx, b.Addrs(), topic, group, kafka.BrowseConfig{}) {
		cancel(enough)
		last = err
	}
	if !errors.Is(last, enough) {
		t.Errorf("error %v, want %v", last, enough)
	}
}

func TestBrowseRefusesWhatCannotBeMeant(t *testing.T) {
	err := firstError(kafka.Browse(t.Context(), nil, "a b", "", kafka.BrowseConfig{From: "..", Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.OK}}}))
	if errors.CodeOf(err) != errors.InvalidArgument {
		t.Fatalf("error %v, want invalid_argument", err)
	}
	for _, want := range []string{"brokers: none given", `topic is "a b"`, "group: no name given", `From is ".."`, "Filter.Codes has 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func firstError(dead func(func(*kafka.DeadLetter, error) bool)) error {
	for _, err := range dead {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestTraceIDIsEmptyForWhatIsNoTraceContext(t *testing.T) {
	for parent, want := range map[string]string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "0af7651916cd43dd8448eb211c80319c",
		"": "", "00": "", "00-0af7651916cd43dd8448eb211c80319c": "", "00-0AF7651916cd43dd8448eb211c80319c-b7-01": "",
		"00-short-b7ad6b7169203331-01": "", "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "",
	} {
		d := kafka.DeadLetter{Failure: kafka.Failure{TraceParent: parent}}
		if got := d.TraceID(); got != want {
			t.Errorf("trace ID of %q is %q, want %q", parent, got, want)
		}
	}
}
