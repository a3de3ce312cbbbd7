package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

func TestRedriveParksWhatFailsTooOften(t *testing.T) {
	b := start(t, 2)
	b.Produce(t,
		dead(1, 0, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 5 }),
		dead(1, 1, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 4 }),
	)
	want(t, redrive(t, b, kafka.RedriveConfig{DryRun: true}), kafka.RedriveResult{Redriven: 1, Parked: 1})
	if b.Cluster().TopicInfo(kafka.ParkingTopic(topic, group)) != nil {
		t.Error("a dry run created the parking topic")
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 1, Parked: 1})

	parked := b.Records(t, "parked.orders.shipping")
	lay := b.Records(t, dlq)[0]
	ignore := cmp.Options{cmpopts.IgnoreFields(kafka.Record{}, "Topic", "LeaderEpoch", "Timestamp"), cmpopts.IgnoreUnexported(kafka.Record{})}
	if diff := cmp.Diff([]kafka.Record{lay}, parked, ignore); diff != "" {
		t.Errorf("parked as it lay (-want +got):\n%s", diff)
	}
	config := b.Cluster().TopicInfo("parked.orders.shipping").Configs
	if got := config["retention.ms"]; got == nil || *got != "-1" {
		t.Errorf("the parking topic's retention.ms is %v, want -1", got)
	}

	fromParking := kafka.RedriveConfig{From: kafka.ParkingTopic(topic, group)}
	want(t, redrive(t, b, fromParking), kafka.RedriveResult{Redriven: 1})
	want(t, redrive(t, b, fromParking), kafka.RedriveResult{})
	if got := b.Records(t, topic); len(got) != 2 || got[1].Redrives() != 6 {
		t.Errorf("records %v, want the parked one with 6 redrives", got)
	}
}

func TestRedriveParksOnRequestAndWithoutALimit(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	b.Produce(t, dead(0, 3, func(_ *kafka.Record, f *kafka.Failure) { f.Redrives = 999_999_999 }))
	want(t, redrive(t, b, kafka.RedriveConfig{MaxRedrives: -1, DryRun: true}), kafka.RedriveResult{Redriven: 4})
	want(t, redrive(t, b, kafka.RedriveConfig{Park: true, Limit: 2}), kafka.RedriveResult{Parked: 2})
	want(t, redrive(t, b, kafka.RedriveConfig{MaxRedrives: -1}), kafka.RedriveResult{Redriven: 2})
}

func TestRepairChangesWhatGoesBack(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	cfg := kafka.RedriveConfig{Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		d.Record.Value[0] = 'X' // In place, which must not reach what is parked.
		d.Record.Headers = append(d.Record.Headers, kafka.Header{Key: "repaired"}, kafka.Header{Key: kafka.HeaderOrigin, Value: []byte("forged/0/0")})
		if d.Offset == 1 {
			return fmt.Errorf("no repair known: %w", kafka.ErrPark)
		}
		return nil
	}}
	want(t, redrive(t, b, cfg), kafka.RedriveResult{Redriven: 2, Parked: 1})
	got := b.Records(t, topic)
	if diff := cmp.Diff([]string{"Xrders/0/0", "Xrders/0/2"}, values(got)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if _, ok := got[0].Header("repaired"); !ok {
		t.Error("the header that Repair added is missing")
	}
	if origin, _ := got[0].Header(kafka.HeaderOrigin); string(origin) != "orders/0/0" {
		t.Errorf("origin %q, want orders/0/0", origin)
	}
	if diff := cmp.Diff([]string{"orders/0/1"}, values(b.Records(t, kafka.ParkingTopic(topic, group)))); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
}

func TestARepairThatFailsEndsTheRunBeforeItsDeadLetter(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 5)...)
	broken := errors.New("the fix is wrong")
	cfg := kafka.RedriveConfig{Repair: func(_ context.Context, d *kafka.DeadLetter) error {
		if d.Offset == 3 {
			return broken
		}
		return nil
	}}
	for i, redriven := range []int{3, 0} {
		got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "dead letter 3 of partition 0: repair: the fix is wrong") {
			t.Fatalf("run %d: error %v", i, err)
		}
		want(t, got, kafka.RedriveResult{Redriven: redriven})
	}
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 2})
}

func TestParkingTopicIsNoDeadLetterTopicAndFitsKafkasLimit(t *testing.T) {
	for _, tc := range []struct{ topic, group string }{
		{"orders", "shipping"}, {"orders", "ship ping/ü"}, {strings.Repeat("o", 200), strings.Repeat("g", 40)}, {strings.Repeat("o", 249), "g"},
	} {
		name := kafka.ParkingTopic(tc.topic, tc.group)
		if !strings.HasPrefix(name, "parked.") || kafka.IsDeadLetterTopic(name) || len(name) > 249 || strings.ContainsAny(name, " /ü") {
			t.Errorf("parking topic of %q and %q is %q", tc.topic, tc.group, name)
		}
	}
	a, b := kafka.ParkingTopic(strings.Repeat("o", 240), "a"), kafka.ParkingTopic(strings.Repeat("o", 240), "b")
	if a == b {
		t.Errorf("two groups share %q", a)
	}
}

func TestParkedDeadLettersAreAsSafeAsTheyWere(t *testing.T) {
	b := start(t, 1)
	admin := kadm.NewClient(newClient(t, b))
	if _, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "min.insync.replicas", Value: new("2")}}, dlq); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, deadLetters(0, 1)...)
	want(t, redrive(t, b, kafka.RedriveConfig{Park: true}), kafka.RedriveResult{Parked: 1})

	parked := kafka.ParkingTopic(topic, group)
	described, err := admin.DescribeTopicConfigs(t.Context(), parked)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range described[0].Configs {
		if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
			got[c.Key] = c.MaybeValue()
		}
	}
	set := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": got["max.message.bytes"], "min.insync.replicas": "2"}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("the parking topic's configuration (-want +got):\n%s", diff)
	}
	topics, err := admin.ListTopics(t.Context(), dlq, parked)
	if err != nil || topics[dlq].Partitions.NumReplicas() != topics[parked].Partitions.NumReplicas() {
		t.Errorf("the parking topic has %d replicas, the dead letters have %d (%v)", topics[parked].Partitions.NumReplicas(), topics[dlq].Partitions.NumReplicas(), err)
	}
}

func TestParkingTopicThatIsCompactedIsRefused(t *testing.T) {
	b := start(t, 1)
	parked := kafka.ParkingTopic(topic, group)
	admin := kadm.NewClient(newClient(t, b))
	if _, err := admin.CreateTopic(t.Context(), 1, 1, map[string]*string{"cleanup.policy": new("compact")}, parked); err != nil {
		t.Fatal(err)
	}
	b.Produce(t, deadLetters(0, 1)...)
	_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Park: true})
	if errors.CodeOf(err) != errors.FailedPrecondition || !strings.Contains(err.Error(), "cleanup.policy=compact") {
		t.Errorf("error %v, want one that says what is wrong with the topic", err)
	}
	if n := len(b.Records(t, parked)); n != 0 {
		t.Errorf("%d were parked", n)
	}
}
