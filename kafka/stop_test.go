package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// Whatever is wrong when Run is told to stop, it returns within the drain timeout
// and eight seconds: with the five that load balancers get and the three that
// telemetry gets, that is less than the 30 s after which Kubernetes kills.
func TestStopIsBoundedWhateverIsWrong(t *testing.T) {
	for _, wrong := range []struct {
		name      string
		brokers   func(b *kafkatest.Broker, f *freezer)
		stuck     bool // handlers ignore that their contexts ended
		rebalance bool // another revoke is under way
	}{
		{"brokers gone", func(b *kafkatest.Broker, _ *freezer) { b.Down() }, false, false},
		{"brokers silent", func(_ *kafkatest.Broker, f *freezer) { f.Freeze() }, false, false},
		{"handlers stuck", nil, true, false},
		{"brokers gone, handlers stuck", func(b *kafkatest.Broker, _ *freezer) { b.Down() }, true, false},
		{"brokers silent, handlers stuck", func(_ *kafkatest.Broker, f *freezer) { f.Freeze() }, true, false},
		{"in a rebalance, handlers stuck", nil, true, true},
		{"in a rebalance, brokers gone, handlers stuck", func(b *kafkatest.Broker, _ *freezer) { b.Down() }, true, true},
		{"in a rebalance, brokers silent, handlers stuck", func(_ *kafkatest.Broker, f *freezer) { f.Freeze() }, true, true},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
				release := make(chan struct{})
				f := newFreezer(b.Dial)
				cfg := quiet(t, b)
				cfg.Connection.Dial = f.Dial
				c, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
					if string(r.Value) == "quick" {
						return nil
					}
					if wrong.stuck {
						<-release
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- c.Run(ctx) }()
				b.WaitMembers(t, "g", 1)
				for i := range 2 { // in each partition one that is done and one that is not
					b.Produce(t, kafka.Record{Topic: "orders", Partition: int32(i), Value: []byte("quick")})
					b.Produce(t, kafka.Record{Topic: "orders", Partition: int32(i), Key: fmt.Append(nil, i), Value: []byte("slow")})
				}
				for c.Status().Handled < 2 || c.Status().InFlight < 2 {
					time.Sleep(time.Millisecond)
				}
				if wrong.rebalance {
					run(t, b, "g", []string{"orders"}, nothing, quiet(t, b))
					time.Sleep(5 * time.Second) // The first one knows it, and drains.
				}
				if wrong.brokers != nil {
					wrong.brokers(b, f)
				}
				cancel()
				start := time.Now()
				err = <-done
				took := time.Since(start)
				if took > 18*time.Second {
					t.Errorf("stopping took %v, want at most 18s", took)
				}
				if wrong.stuck {
					wants(t, err, errors.DeadlineExceeded, "handlers did not return", `"orders/`)
				} else if err != nil {
					t.Errorf("Run: %v", err)
				}
				close(release)
				f.Thaw()
			})
		})
	}
}
