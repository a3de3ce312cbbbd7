package main

import (
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/backend-platform/sdk/service/servicetest"
)

// start runs the service on a Kafka in the process, until the test ends.
func start(t *testing.T) *kafkatest.Broker {
	t.Helper()
	broker := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{visits: 3, greetings: 3}})
	t.Setenv("KAFKA_BROKERS", strings.Join(broker.Addrs(), ","))
	servicetest.Start(t, setup)
	return broker
}

func TestEveryVisitIsGreeted(t *testing.T) {
	broker := start(t)
	broker.Produce(t, kafka.Record{Topic: visits, Key: []byte("v-1"), Value: []byte(`{"name":"Ann"}`)})
	broker.WaitCaughtUp(t, visits, group)
	written := broker.Records(t, greetings)
	if len(written) != 1 || string(written[0].Key) != "v-1" || string(written[0].Value) != `{"text":"Hello, Ann!"}` {
		t.Errorf("greetings %v", written)
	}
}

func TestWhatIsNoVisitBecomesADeadLetterAndTheRestGoesOn(t *testing.T) {
	broker := start(t)
	broker.Produce(t,
		kafka.Record{Topic: visits, Key: []byte("v-1"), Value: []byte(`{"name":""}`)},
		kafka.Record{Topic: visits, Key: []byte("v-2"), Value: []byte(`no JSON`)},
		kafka.Record{Topic: visits, Key: []byte("v-3"), Value: []byte(`{"name":"Bea"}`)})
	for _, dead := range broker.WaitDeadLetters(t, visits, group, 2) {
		if dead.Failure.Code != errors.InvalidArgument {
			t.Errorf("%s is a dead letter because of %v", dead.Record.Key, dead.Failure.Code)
		}
	}
	broker.WaitCaughtUp(t, visits, group)
	if written := broker.Records(t, greetings); len(written) != 1 || string(written[0].Value) != `{"text":"Hello, Bea!"}` {
		t.Errorf("greetings %v", written)
	}
}
