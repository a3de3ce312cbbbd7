// Package kafkatest runs a Kafka broker inside the process, for the tests of
// services and for demonstrations. It starts in milliseconds, needs neither
// Java nor containers, and speaks the real protocol: the service under test
// runs unchanged, with the address of the broker in its configuration.
//
// # A service's test
//
//	func TestShipping(t *testing.T) {
//		broker := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 8, "orders.shipped": 8}})
//
//		startShipping(t, broker.Addrs()) // the service under test
//
//		broker.Produce(t, kafka.Record{Topic: "orders", Key: []byte("o-1"), Value: []byte(`{"id":"o-1"}`)})
//		broker.WaitCaughtUp(t, "orders", "shipping")
//
//		if shipped := broker.Records(t, "orders.shipped"); len(shipped) != 1 {
//			t.Errorf("%d records, want 1", len(shipped))
//		}
//	}
//
// What waits ends at [Config.Timeout] and then fails the test with a message
// that says where the group stands. Nothing is left behind: [Start] registers
// the clean-up.
//
// # Faults
//
// [Broker.Fault] makes chosen requests fail with a Kafka error or hang, so many
// times or until it is lifted; [Broker.Down] and [Broker.Up] take the broker
// away and bring it back with everything that was written.
//
// # Hours in milliseconds
//
// In a bubble of testing/synctest set [Config.Virtual]: the network is then in
// memory, time stands still until every goroutine waits, and an hour of backoff
// passes at once. Clients have to dial with [Broker.Dial]; [Broker.ClientOptions]
// has the address and the dialer. With three and more members in one group build the
// test with the tag synctests: while members wait for each other to join, franz-go
// lets a commit wait for a mutex, which stops a bubble's time, and under that tag its
// mutexes are channels.
//
// # What it is not
//
// It is kfake, the broker that franz-go is tested with: one process, records in
// memory, no replication. It accepts a commit's metadata of any length, where
// Kafka stops at 4096 bytes, and answers a wrong password by closing the
// connection, where Kafka says what is wrong. Nothing about durability or about a cluster's
// failover is proved by it.
package kafkatest
