package kafkatest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func TestDeadLettersAreDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dlq := kafka.DeadLetterTopic("orders", "shipping")
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}, Virtual: true, Timeout: time.Minute})
		got := fails(t, func(t *fakeTB) { b.DeadLetters(t, "orders", "shipping") })
		if !strings.Contains(got, dlq) {
			t.Errorf("without a dead-letter topic it failed with %q, want its name", got)
		}
		failure := kafka.Failure{Source: kafka.ID{Topic: "orders", Offset: 7}, Group: "shipping", Code: errors.InvalidArgument}
		go func() {
			time.Sleep(time.Second)
			b.CreateTopic(t, dlq, 1)
			time.Sleep(time.Second)
			b.Produce(t, kafka.Record{Topic: dlq, Value: []byte("poison"), Headers: failure.AppendHeaders(nil)})
		}()
		dead := b.WaitDeadLetters(t, "orders", "shipping", 1)
		if len(dead) != 1 || dead[0].Failure.Code != errors.InvalidArgument || string(dead[0].Record.Value) != "poison" {
			t.Errorf("dead letters %+v, want the poison with its code", dead)
		}
	})
}
