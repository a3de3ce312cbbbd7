package kafka_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// shareLetter is a dead letter as a broker writes it for a share group, of a record of
// orders and without a copy of it.
func shareLetter(offset string) kafka.Record {
	return kafka.Record{Topic: "dlq.share", Headers: []kafka.Header{
		{Key: kafka.HeaderTopic, Value: []byte("orders")}, {Key: kafka.HeaderPartition, Value: []byte("0")}, {Key: kafka.HeaderOffset, Value: []byte(offset)},
		{Key: kafka.HeaderGroup, Value: []byte("share")}, {Key: kafka.HeaderDeliveryCount, Value: []byte("5")}, {Key: kafka.HeaderMessage, Value: []byte("Offset rejected by client.")},
	}}
}

func TestRecordOfAShareGroupIsReadFromItsSource(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.share": 1}})
	var sources []kafka.Record
	for i := range 20 {
		sources = append(sources, kafka.Record{Topic: "orders", Key: fmt.Appendf(nil, "k-%d", i), Value: fmt.Appendf(nil, "v-%d", i), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}}, Timestamp: own})
	}
	b.Produce(t, sources...)
	b.Produce(t, shareLetter("3"), shareLetter("4"), shareLetter("17"), shareLetter("2"), shareLetter("20"), shareLetter("9000000000000000000"))
	var got []string
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), "orders", "share", kafka.BrowseConfig{From: "dlq.share"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %d %v", d.Record.Key, d.Record.Value, len(d.Record.Headers), d.Lost))
		if !d.Lost && !d.Record.Timestamp.Equal(own) {
			t.Errorf("timestamp %v", d.Record.Timestamp)
		}
	}
	want := []string{"k-3 v-3 1 false", "k-4 v-4 1 false", "k-17 v-17 1 false", "k-2 v-2 1 false", "  0 true", "  0 true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	result, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "share", kafka.RedriveConfig{From: "dlq.share"})
	if err != nil || result.Redriven != 4 || result.Unreadable != 2 {
		t.Errorf("result %+v, %v", result, err)
	}
	if all := b.Records(t, "orders"); len(all) != 24 || string(all[20].Value) != "v-3" || all[20].ID() != (kafka.ID{Topic: "orders", Offset: 3}) {
		t.Errorf("%d records, the first that came back %v", len(all), all[20].ID())
	}
}

func TestForgedSourceOfAShareGroupIsNotRead(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "payroll": 1, "dlq.share": 1}})
	b.Produce(t, kafka.Record{Topic: "payroll", Value: []byte("secret")})
	b.Produce(t, kafka.Record{Topic: "dlq.share", Headers: []kafka.Header{
		{Key: kafka.HeaderTopic, Value: []byte("payroll")}, {Key: kafka.HeaderOrigin, Value: []byte("orders/0/7")}, {Key: kafka.HeaderGroup, Value: []byte("share")},
	}})
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), "orders", "share", kafka.BrowseConfig{From: "dlq.share"}) {
		if err != nil || d.Record.Value != nil || !d.Lost {
			t.Errorf("dead letter %+v, %v, want one that is lost", d, err)
		}
	}
	result, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "share", kafka.RedriveConfig{From: "dlq.share"})
	if err != nil || result != (kafka.RedriveResult{Unreadable: 1}) {
		t.Errorf("result %+v, %v", result, err)
	}
}

// A broker's copy has no headers: they come from the source, if that is still the same record.
func TestCopyOfAShareGroupGetsItsHeadersFromTheSource(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.share": 1}})
	b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v"), Headers: []kafka.Header{{Key: "tag", Value: []byte("a")}}, Timestamp: own})
	same, other, gone := shareLetter("0"), shareLetter("0"), shareLetter("1")
	same.Key, same.Value = []byte("k"), []byte("v")
	other.Key, other.Value = []byte("k"), []byte("of the topic before")
	gone.Value = []byte("w")
	b.Produce(t, same, other, gone)
	var got []string
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), "orders", "share", kafka.BrowseConfig{From: "dlq.share"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s=%s %s %v %v", d.Record.Key, d.Record.Value, d.Record.Headers, d.Record.Timestamp.Equal(own), d.Lost))
	}
	want := []string{"k=v [{tag a}] true false", "k=of the topic before [] false false", "=w [] false false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A record that came back and fails again in a share group is still the same one: its ID, its
// redrives and its first failure are read where it failed, and so it is parked after its limit.
func TestRecordOfAShareGroupThatKeepsFailingIsParked(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "dlq.share": 1}})
	b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v"), Timestamp: own}, kafka.Record{Topic: "orders", Key: []byte("other")})
	cfg := kafka.RedriveConfig{From: "dlq.share", MaxRedrives: 2, Filter: kafka.DeadLetterFilter{Keys: []string{"k"}}}
	for i, offset := range []string{"0", "2", "3"} {
		b.Produce(t, shareLetter(offset))
		for d, err := range kafka.Browse(t.Context(), b.Addrs(), "orders", "share", kafka.BrowseConfig{From: "dlq.share", Pending: true}) {
			if f := d.Failure; err != nil || d.Record.ID() != (kafka.ID{Topic: "orders"}) || f.Redrives != i || f.Attempts != 5*(i+1) || f.Hops != i+1 || !f.Timestamp.Equal(own) {
				t.Errorf("dead letter %d: %v, failure %+v, %v", i, d.Record.ID(), f, err)
			}
		}
		want := kafka.RedriveResult{Redriven: 1}
		if i == 2 {
			want = kafka.RedriveResult{Parked: 1}
		}
		if got, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "share", cfg); err != nil || got != want {
			t.Fatalf("redrive %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if back := b.Records(t, "orders"); len(back) != 4 || back[3].Redrives() != 2 || !back[3].Timestamp.After(own) {
		t.Errorf("orders has %v", back)
	}
}
