package kafka_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func TestRedriveLeavesAloneWhatIsNotTheGroups(t *testing.T) {
	b := start(t, 1)
	b.CreateTopic(t, "victims", 1)
	b.Produce(t,
		kafka.Record{Topic: dlq, Value: []byte("no headers")},
		dead(0, 0, func(_ *kafka.Record, f *kafka.Failure) { f.Source.Topic, f.Origin.Topic = "victims", "victims" }),
		dead(0, 1, func(_ *kafka.Record, f *kafka.Failure) { f.Group = "billing" }),
		dead(0, 2, func(_ *kafka.Record, f *kafka.Failure) { f.Source.Topic = "retry.orders.shipping.5s" }),
	)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1, Unreadable: 3})
	if got := b.Records(t, "victims"); len(got) != 0 {
		t.Errorf("a forged header wrote %d records into another topic", len(got))
	}
}

func TestRedriveSaysWhatIsMissing(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"dlq.gone.shipping": 1}})
	_, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "shipping", kafka.RedriveConfig{})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "topics that do not exist: dlq.orders.shipping") {
		t.Errorf("no dead letters: %v", err)
	}
	_, err = kafka.Redrive(t.Context(), b.Addrs(), "gone", "shipping", kafka.RedriveConfig{})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "topics that do not exist: gone") {
		t.Errorf("no source: %v", err)
	}
}

func TestRedriveRefusesWhatCannotBeMeant(t *testing.T) {
	at := time.Now()
	for _, tc := range []struct {
		topic, group string
		cfg          kafka.RedriveConfig
		want         []string
	}{
		{"", "", kafka.RedriveConfig{}, []string{`topic is ""`, "group: no name given"}},
		{topic, group, kafka.RedriveConfig{From: "a/b", Batch: -1}, []string{`From is "a/b"`, "Batch is -1"}},
		{topic, group, kafka.RedriveConfig{From: topic}, []string{`From is "orders", the topic to put dead letters back into`}},
		{topic, group, kafka.RedriveConfig{Batch: 10_001}, []string{"Batch is 10001"}},
		{topic, group, kafka.RedriveConfig{Park: true, From: "parked.orders.shipping"}, []string{"Park is set"}},
		{topic, group, kafka.RedriveConfig{MaxRedrives: 3, From: "parked.orders.shipping"}, []string{"MaxRedrives is 3"}},
		{topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{
			Codes: []errors.Code{0, 99}, Reasons: []string{"", "\xff"}, Partitions: []int32{-1}, Since: at, Until: at,
		}}, []string{"Codes has 0", "Codes has 99", `Reasons has ""`, `Reasons has "\xff"`, "Partitions has -1", "Filter.Since"}},
		{topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Since: time.Unix(-1, 0), Until: time.Unix(0, 0)}}, []string{"Filter.Since is 19", "Filter.Until is 19"}},
	} {
		_, err := kafka.Redrive(t.Context(), []string{"127.0.0.1:1"}, tc.topic, tc.group, tc.cfg)
		if errors.CodeOf(err) != errors.InvalidArgument {
			t.Errorf("%+v: %v, want invalid_argument", tc.cfg, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v lacks %q", tc.cfg, err, want)
			}
		}
	}
}

func TestRedriveRefusesAFilterThatCannotBeRemembered(t *testing.T) {
	b := start(t, 1)
	var keys []string
	for i := range 500 {
		keys = append(keys, "customer-"+strconv.Itoa(i))
	}
	_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Keys: keys}})
	if errors.CodeOf(err) != errors.InvalidArgument || !strings.Contains(err.Error(), "use fewer keys at a time") {
		t.Errorf("error %v", err)
	}
}

func TestRedriveRefusesProgressThatItCannotRead(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 1)...)
	for i, metadata := range []string{"", "{}", `{"redrive":2}`, `{"redrive":1}`, `{"redrive":1,"topic":"a","group":"b","tenants":["a"]}`, `{"redrive":1,"topic":"a","group":"b"}x`, `{"redrive":1,"topic":"a","group":"b","codes":["no_such"]}`} {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: dlq, Partition: 0, At: 1, LeaderEpoch: -1, Metadata: metadata})
		other := "redrive." + dlq + "#" + strconv.Itoa(i)
		admin := kadm.NewClient(newClient(t, b))
		if err := admin.CommitAllOffsets(t.Context(), other, offsets); err != nil {
			t.Fatal(err)
		}
		_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{})
		if err == nil || !strings.Contains(err.Error(), other) {
			t.Errorf("metadata %q: error %v, want one about group %q", metadata, err, other)
		}
		if _, err := admin.DeleteGroup(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedriveIgnoresProgressOfATopicThatWasMadeAgain(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 1)...)
	admin := kadm.NewClient(newClient(t, b))
	for _, name := range []string{"redrive." + dlq, "redrive." + dlq + "#x"} {
		var offsets kadm.Offsets
		offsets.Add(kadm.Offset{Topic: dlq, Partition: 0, At: 1000, LeaderEpoch: -1, Metadata: `{"redrive":1,"topic":"orders","group":"shipping"}`})
		if err := admin.CommitAllOffsets(t.Context(), name, offsets); err != nil {
			t.Fatal(err)
		}
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1})
}

func TestRedriveOfARecordTooLargeNamesIt(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{dlq: 1}})
	small := "1000"
	if err := b.Cluster().CreateTopic(topic, 1, map[string]string{"max.message.bytes": small}); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, dead(0, 0, nil), dead(0, 1, func(r *kafka.Record, _ *kafka.Failure) { r.Value = make([]byte, 990) }), dead(0, 2, nil))
	got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{})
	if !errors.Is(err, kerr.MessageTooLarge) || !strings.Contains(err.Error(), "write dead letter 1 to") {
		t.Errorf("error %v", err)
	}
	if got.Redriven == 0 {
		t.Error("its neighbours were not put back")
	}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: kafka.DeadLetterFilter{Partitions: []int32{0}}, Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		if d.Offset == 1 {
			return kafka.ErrPark
		}
		return nil
	}}), kafka.RedriveResult{Parked: 1, Redriven: 1})
}
