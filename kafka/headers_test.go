package kafka_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/google/go-cmp/cmp"
)

// The names and the encoding of failure headers are what other versions of this
// module, and people with kcat, read: they do not change.
func TestFailureHeadersOnTheWire(t *testing.T) {
	f := kafka.Failure{
		Origin: kafka.ID{Topic: "orders", Partition: 3, Offset: 42}, Source: kafka.ID{Topic: "orders", Partition: 3, Offset: 99},
		Group: "billing", Code: errors.FailedPrecondition, Reason: "OUT_OF_STOCK", Message: "Only 3 left.", Stack: "main.go:1",
		Deliveries: 8, Attempts: 16, Timestamp: time.UnixMilli(1700000000123), FirstFailure: time.UnixMilli(1700000001123),
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Redrives: 1, Hops: 2,
	}
	var got strings.Builder
	headers := f.AppendHeaders([]kafka.Header{{Key: "tag", Value: []byte("a")}})
	for _, h := range headers {
		got.WriteString(h.Key + "=" + string(h.Value) + "\n")
	}
	want := `tag=a
__dlq.errors.topic=orders
__dlq.errors.partition=3
__dlq.errors.offset=99
__dlq.errors.group=billing
__dlq.errors.delivery.count=8
__dlq.errors.message=Only 3 left.
__sdk.origin=orders/3/42
__sdk.error.code=failed_precondition
__sdk.error.reason=OUT_OF_STOCK
__sdk.error.stack=main.go:1
__sdk.attempts=16
__sdk.record.timestamp=1700000000123
__sdk.first.failure=1700000001123
__sdk.traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
__sdk.redrives=1
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
	back, ok := kafka.DecodeFailure(headers)
	if diff := cmp.Diff(f, back); !ok || diff != "" {
		t.Error(diff)
	}
}

func TestFailureHeadersOfShareGroupsAreRead(t *testing.T) {
	f, ok := kafka.DecodeFailure([]kafka.Header{
		{Key: "__dlq.errors.topic", Value: []byte("share-01")}, {Key: "__dlq.errors.partition", Value: []byte("1")},
		{Key: "__dlq.errors.offset", Value: []byte("7")}, {Key: "__dlq.errors.group", Value: []byte("share-group-01")},
		{Key: "__dlq.errors.delivery.count", Value: []byte("5")}, {Key: "__dlq.errors.message", Value: []byte("Offset rejected by client.")},
	})
	want := kafka.Failure{
		Origin: kafka.ID{Topic: "share-01", Partition: 1, Offset: 7}, Source: kafka.ID{Topic: "share-01", Partition: 1, Offset: 7},
		Group: "share-group-01", Code: errors.Unknown, Message: "Offset rejected by client.", Deliveries: 5, Attempts: 5, Hops: 1,
	}
	if diff := cmp.Diff(want, f); !ok || diff != "" {
		t.Error(diff)
	}
}

func TestHostileFailureHeadersAreClamped(t *testing.T) {
	huge := []byte(strings.Repeat("9", 30))
	f, _ := kafka.DecodeFailure([]kafka.Header{
		{Key: kafka.HeaderAttempts, Value: huge}, {Key: kafka.HeaderDeliveryCount, Value: []byte("-5")},
		{Key: kafka.HeaderRedrives, Value: huge}, {Key: kafka.HeaderTimestamp, Value: huge}, {Key: kafka.HeaderFirstFailure, Value: []byte("1e9")},
		{Key: kafka.HeaderPartition, Value: huge}, {Key: kafka.HeaderTopic, Value: []byte("../etc/passwd")},
		{Key: kafka.HeaderMessage, Value: bytes.Repeat([]byte{0xff}, 1<<20)}, {Key: kafka.HeaderCode, Value: []byte("ok")},
		{Key: kafka.HeaderOrigin, Value: []byte("orders/-1/5")},
	})
	if f.Attempts != 1_000_000 || f.Redrives != 1_000_000 || f.Deliveries != 0 || !f.Timestamp.IsZero() || !f.FirstFailure.IsZero() ||
		f.Source.Topic != "" || f.Origin != (kafka.ID{}) || f.Code != errors.Unknown || len(f.Message) > 4<<10 || !utf8.ValidString(f.Message) {
		f.Message = ""
		t.Errorf("%+v", f)
	}
}

func TestRecordID(t *testing.T) {
	own := kafka.ID{Topic: "orders", Partition: 1, Offset: 50}
	for _, c := range []struct {
		name    string
		topic   string
		headers []kafka.Header
		want    kafka.ID
	}{
		{"without headers", "orders", nil, own},
		{"redriven", "orders", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/1/7")}}, kafka.ID{Topic: "orders", Partition: 1, Offset: 7}},
		{"from another partition", "orders", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/2/70")}}, kafka.ID{Topic: "orders", Partition: 2, Offset: 70}},
		{"a new record with the headers of a redriven one", "shipments", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/1/7")}}, kafka.ID{Topic: "shipments", Partition: 1, Offset: 50}},
		{"a dead letter in a topic of its own name", "rejects", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/1/7")}, {Key: kafka.HeaderTopic, Value: []byte("orders")}}, kafka.ID{Topic: "orders", Partition: 1, Offset: 7}},
		{"from its own future", "orders", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/1/51")}}, own},
		{"garbage", "orders", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/x/51")}}, own},
		{"the last counts", "orders", []kafka.Header{{Key: kafka.HeaderOrigin, Value: []byte("orders/1/3")}, {Key: kafka.HeaderOrigin, Value: []byte("orders/1/4")}}, kafka.ID{Topic: "orders", Partition: 1, Offset: 4}},
		{"of a share group", "dlq.orders", []kafka.Header{{Key: kafka.HeaderTopic, Value: []byte("orders")}, {Key: kafka.HeaderPartition, Value: []byte("4")}, {Key: kafka.HeaderOffset, Value: []byte("9")}}, kafka.ID{Topic: "orders", Partition: 4, Offset: 9}},
		{"taken from a share group's dead letters", "orders", []kafka.Header{{Key: kafka.HeaderTopic, Value: []byte("orders")}, {Key: kafka.HeaderPartition, Value: []byte("4")}, {Key: kafka.HeaderOffset, Value: []byte("9")}}, own},
	} {
		r := &kafka.Record{Topic: c.topic, Partition: 1, Offset: 50, Headers: c.headers}
		if got := r.ID(); got != c.want {
			t.Errorf("%s: ID is %v, want %v", c.name, got, c.want)
		}
		if got, err := kafka.ParseID(r.ID().String()); err != nil || got != c.want {
			t.Errorf("%s: parsed %v, %v", c.name, got, err)
		}
	}
}

func FuzzDecodeFailure(f *testing.F) {
	f.Add(kafka.HeaderAttempts, []byte("12"), kafka.HeaderMessage, []byte("text"))
	f.Add(kafka.HeaderOrigin, []byte("orders/1/2"), kafka.HeaderOrigin, []byte("orders/4294967296/2"))
	f.Add(kafka.HeaderTimestamp, []byte("1700000000123"), "x", []byte{0xff})
	f.Fuzz(func(t *testing.T, k1 string, v1 []byte, k2 string, v2 []byte) {
		headers := []kafka.Header{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k1, Value: v2}}
		failure, _ := kafka.DecodeFailure(headers)
		for _, s := range []string{failure.Message, failure.Stack, failure.Group, failure.Reason, failure.TraceParent} {
			if !utf8.ValidString(s) || len(s) > 16<<10 {
				t.Fatalf("text of %d bytes, valid: %v", len(s), utf8.ValidString(s))
			}
		}
		once := failure.AppendHeaders(headers)
		twice := failure.AppendHeaders(once)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("headers grow or change: %s", diff)
		}
		again, ok := kafka.DecodeFailure(once)
		if diff := cmp.Diff(failure, again); failure.Source.Topic != "" && (!ok || diff != "") {
			t.Fatal(diff)
		}
		r := kafka.Record{Topic: "orders", Partition: 1, Offset: 5, Headers: headers}
		if id := r.ID(); id.Partition < 0 || id.Offset < 0 || id.Topic == "" {
			t.Fatalf("ID %v", id)
		}
	})
}
