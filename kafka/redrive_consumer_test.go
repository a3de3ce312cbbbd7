package kafka_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func TestARecordGoesRoundUntilItIsRepairedOrParked(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{topic: 4}}, func(t *testing.T, b *kafkatest.Broker) {
		var handled atomic.Int64
		ids := make(chan kafka.ID, 100)
		cfg := quiet(t, b)
		cfg.FloodRatio = -1
		run(t, b, group, []string{topic}, func(_ context.Context, r *kafka.Record) error {
			if string(r.Value) == "poison" || string(r.Value) == "hopeless" {
				ids <- r.ID()
				return errors.InvalidArgument.New("No order.")
			}
			handled.Add(1)
			return nil
		}, cfg)

		written := b.Produce(t,
			kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte("poison"), Headers: []kafka.Header{{Key: "h", Value: []byte("1")}, {Key: "h"}}},
			kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte("hopeless")},
			kafka.Record{Topic: topic, Key: []byte("k"), Value: []byte("good")},
		)
		dead := b.WaitDeadLetters(t, topic, group, 2)
		b.WaitCaughtUp(t, topic, group)
		if handled.Load() != 1 {
			t.Errorf("%d handled, want the good one", handled.Load())
		}
		for i, d := range dead {
			if d.Record.ID() != written[i].ID() || d.Failure.Code != errors.InvalidArgument || string(d.Record.Key) != "k" {
				t.Errorf("dead letter %+v, want record %v", d, written[i].ID())
			}
			<-ids
		}

		repair := func(_ context.Context, d *kafka.DeadLetter) error {
			if string(d.Record.Value) == "poison" {
				d.Record.Value = []byte("repaired")
			}
			return nil
		}
		back := kafka.RedriveConfig{Repair: repair, MaxRedrives: 3}
		want(t, redrive(t, b, back), kafka.RedriveResult{Redriven: 2})
		for round := range 3 {
			again := b.WaitDeadLetters(t, topic, group, 3+round)[2+round]
			b.WaitCaughtUp(t, topic, group)
			if f := again.Failure; f.Redrives != round+1 || f.Attempts != round+2 || f.Origin != written[1].ID() || !f.FirstFailure.Equal(dead[1].Failure.FirstFailure) {
				t.Errorf("round %d: failure %+v, want redrive %d of %v", round, f, round+1, written[1].ID())
			}
			if id := <-ids; id != written[1].ID() {
				t.Errorf("round %d: the handler saw %v, want %v", round, id, written[1].ID())
			}
			result := kafka.RedriveResult{Redriven: 1}
			if round == 2 {
				result = kafka.RedriveResult{Parked: 1}
			}
			want(t, redrive(t, b, back), result)
		}
		if handled.Load() != 2 {
			t.Errorf("%d handled, want the good and the repaired one", handled.Load())
		}
		if parked := b.Records(t, kafka.ParkingTopic(topic, group)); len(parked) != 1 || string(parked[0].Value) != "hopeless" {
			t.Errorf("parked %v, want the hopeless one", parked)
		}
	})
}
