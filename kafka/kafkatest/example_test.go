package kafkatest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// A service's test starts a broker, hands its address to the service, and looks
// at what the service did.
func Example() {
	test := func(t *testing.T) {
		broker := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 8, "orders.shipped": 8}})

		startShipping(t, broker.Addrs()) // The service under test.

		broker.Produce(t, kafka.Record{Topic: "orders", Key: []byte("o-1"), Value: []byte(`{"id":"o-1"}`)})
		broker.WaitCaughtUp(t, "orders", "shipping")

		if shipped := broker.Records(t, "orders.shipped"); len(shipped) != 1 {
			t.Errorf("%d orders shipped, want 1", len(shipped))
		}
	}
	_ = test // Run by "go test".
}

// A demonstration embeds a broker without a test.
func ExampleNew() {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 8}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	progress, err := broker.Progress("orders", "shipping")
	fmt.Println(progress, err)
	// Output: group "shipping" (no group, 0 members) lags 0 in topic "orders" <nil>
}

// The next three writes to the topic fail; a client that retries gets through.
func ExampleBroker_Fault() {
	broker, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	fault := broker.Fault(kafkatest.Fault{Topic: "orders", Err: kerr.NotEnoughReplicas, Times: 3})
	broker.Produce(&program{}, kafka.Record{Topic: "orders", Value: []byte("o-1")})
	fmt.Println(fault.Hits(), "writes failed,", len(broker.Records(&program{}, "orders")), "record arrived")
	// Output: 3 writes failed, 1 record arrived
}

// program stands in for a test in an example.
type program struct{}

func (*program) Helper()                           {}
func (*program) Cleanup(func())                    {}
func (*program) Context() context.Context          { return context.Background() }
func (*program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func startShipping(*testing.T, []string) {}
