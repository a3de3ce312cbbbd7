package kafkatest_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

func client(t *testing.T, b *kafkatest.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(b.ClientOptions(), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func commit(t *testing.T, b *kafkatest.Broker, group, topic string, partition int32, offset int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topic, partition, offset, -1)
	if err := kadm.NewClient(client(t, b)).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsAreReadAsTheyWereProduced(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 4}})
	at := time.UnixMilli(1700000000123)
	written := b.Produce(t,
		kafka.Record{Topic: "orders", Partition: 3, Value: []byte("no key"), Timestamp: at},
		kafka.Record{Topic: "orders", Partition: 1, Value: nil},
		kafka.Record{Topic: "orders", Partition: 1, Value: []byte{}},
		kafka.Record{Topic: "orders", Key: []byte("k"), Headers: []kafka.Header{
			{Key: "b", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "b", Value: []byte{}},
		}},
	)
	got := b.Records(t, "orders")
	byOffset := cmpopts.SortSlices(func(a, b kafka.Record) bool {
		return a.Partition < b.Partition || a.Partition == b.Partition && a.Offset < b.Offset
	})
	ignore := cmp.Options{byOffset, cmpopts.IgnoreFields(kafka.Record{}, "LeaderEpoch"), cmpopts.IgnoreUnexported(kafka.Record{})}
	if diff := cmp.Diff(written, got, ignore); diff != "" {
		t.Errorf("records (-written +read):\n%s", diff)
	}
	if written[0].Partition != 3 || !written[0].Timestamp.Equal(at) {
		t.Errorf("record without a key is in partition %d at %s, want 3 at %s", written[0].Partition, written[0].Timestamp, at)
	}
}

func TestKeysLandWhereJavaClientsPutThem(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 8}})
	// From Java's DefaultPartitioner with 8 partitions: murmur2("21") is
	// -973932308, the first vector of Kafka's own UtilsTest.
	got := b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("21")})
	if want := int32((-973932308 & 0x7fffffff) % 8); got[0].Partition != want {
		t.Errorf("key 21 is in partition %d, want %d", got[0].Partition, want)
	}
}

func TestRecordsOfATransactionEndAtItsMarker(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}})
	c := client(t, b, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("orders"))
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(t.Context(), kgo.StringRecord("in a transaction")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := c.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := b.Records(t, "orders"); len(got) != 1 || string(got[0].Value) != "in a transaction" {
		t.Errorf("records: %v, want the one of the transaction", got)
	}
}

func TestProgressShowsCommitsAndLag(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 2}})
	for range 3 {
		b.Produce(t, kafka.Record{Topic: "orders", Partition: 1})
	}
	b.Produce(t, kafka.Record{Topic: "orders", Partition: 0})
	commit(t, b, "shipping", "orders", 1, 2)

	p, err := b.Progress("orders", "shipping")
	if err != nil {
		t.Fatal(err)
	}
	want := `group "shipping" (Empty, 0 members) lags 2 in topic "orders"; partition 0: nothing committed, end 1; partition 1: committed 2, end 3`
	if got := p.String(); got != want {
		t.Errorf("progress\n %s\nwant\n %s", got, want)
	}
	b.WaitCommitted(t, "orders", "shipping", 1, 2)
	commit(t, b, "shipping", "orders", 0, 1)
	commit(t, b, "shipping", "orders", 1, 3)
	b.WaitCaughtUp(t, "orders", "shipping")
}

func TestHelpersFailWithWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}, Virtual: true, Timeout: time.Minute})
		b.Produce(t, kafka.Record{Topic: "orders"})
		fault := b.Fault(kafkatest.Fault{})
		for _, tc := range []struct {
			name string
			do   func(*fakeTB)
			want string
		}{
			{"no topic", func(t *fakeTB) { b.WaitCaughtUp(t, "typo", "shipping") }, `topic "typo" does not exist`},
			{"caught up", func(t *fakeTB) { b.WaitCaughtUp(t, "orders", "shipping") },
				`wait for group "shipping" to catch up: group "shipping" (no group, 0 members) lags 1 in topic "orders"; partition 0: nothing committed, end 1: context deadline exceeded within 1m0s`},
			{"committed", func(t *fakeTB) { b.WaitCommitted(t, "orders", "shipping", 0, 1) }, "to commit offset 1 of partition 0: group"},
			{"members", func(t *fakeTB) { b.WaitMembers(t, "shipping", 2) }, `wait for 2 members in group "shipping": it has 0 (no group): context`},
			{"records", func(t *fakeTB) { b.WaitRecords(t, "orders", 2) }, `wait for 2 records in topic "orders": it holds 1: context`},
			{"records of no topic", func(t *fakeTB) { b.WaitRecords(t, "typo", 2) }, `it holds 0 (topic "typo" does not exist)`},
			{"read no topic", func(t *fakeTB) { b.Records(t, "typo") }, `read topic "typo": topic "typo" does not exist`},
			{"produce to no topic", func(t *fakeTB) { b.Produce(t, kafka.Record{Topic: "typo"}) }, "UNKNOWN_TOPIC_OR_PARTITION"},
			{"create twice", func(t *fakeTB) { b.CreateTopic(t, "orders", 1) }, `create topic "orders" with 1 partitions: TOPIC_ALREADY_EXISTS`},
			{"delete nothing", func(t *fakeTB) { b.DeleteTopic(t, "typo") }, `delete topic "typo": UNKNOWN_TOPIC`},
			{"fault", func(t *fakeTB) { fault.Wait(t, 1) }, "wait for a fault to hit 1 requests: it hit 0: context"},
			{"no config", func(t *fakeTB) { kafkatest.Start(t, kafkatest.Config{Brokers: -1}) }, "Brokers is -1"},
		} {
			if got := fails(t, tc.do); !strings.Contains(got, tc.want) {
				t.Errorf("%s: failed with %q, want %q in it", tc.name, got, tc.want)
			}
		}
	})
}

func TestWaitRecordsWaitsForTheTopicAndTheRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Virtual: true})
		go func() {
			time.Sleep(time.Second)
			b.CreateTopic(t, "orders", 1)
			time.Sleep(time.Second)
			b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("late")})
		}()
		if got := b.WaitRecords(t, "orders", 1); string(got[0].Value) != "late" {
			t.Errorf("record %q, want late", got[0].Value)
		}
	})
}

func TestWaitMembersSeesAGroupComeAndGo(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 2}})
	b.WaitMembers(t, "shipping", 0)
	c := client(t, b, kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders"))
	b.WaitMembers(t, "shipping", 1)
	c.Close()
	b.WaitMembers(t, "shipping", 0)
}

func TestDownRefusesAndUpKeepsWhatWasWritten(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}, Brokers: 2})
	b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("before")})
	addrs := b.Addrs()
	open, err := b.Dial(t.Context(), "tcp", addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	b.Down()
	b.Down()
	if _, err := open.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived Down")
	}
	for _, addr := range addrs {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("%s takes connections while down", addr)
		}
	}
	for range 2 {
		if err := b.Up(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(addrs, b.Addrs()); diff != "" {
		t.Errorf("addresses changed:\n%s", diff)
	}
	b.Produce(t, kafka.Record{Topic: "orders", Value: []byte("after")})
	if got := b.Records(t, "orders"); len(got) != 2 {
		t.Errorf("%d records, want 2", len(got))
	}
}

func TestFaultFailsRequestsThatManyTimes(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "other": 1}})
	fault := b.Fault(kafkatest.Fault{Topic: "orders", Err: kerr.InvalidRecord, Times: 2})
	c := client(t, b)
	for i, want := range []error{kerr.InvalidRecord, kerr.InvalidRecord, nil} {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "other"}).FirstErr(); err != nil {
			t.Errorf("another topic: %v", err)
		}
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders"}).FirstErr(); !errors.Is(err, want) {
			t.Errorf("write %d: %v, want %v", i, err, want)
		}
	}
	fault.Wait(t, 2)
	if fault.Hits() != 2 {
		t.Errorf("%d hits, want 2", fault.Hits())
	}
}

func TestFaultOfAGroupFailsItsCommitsUntilLifted(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}})
	fault := b.Fault(kafkatest.Fault{Request: kmsg.OffsetCommit, Group: "shipping", Times: -1, Err: kerr.GroupAuthorizationFailed})
	admin := kadm.NewClient(client(t, b))
	var offsets kadm.Offsets
	offsets.AddOffset("orders", 0, 0, -1)
	for range 3 {
		if err := admin.CommitAllOffsets(t.Context(), "shipping", offsets); !errors.Is(err, kerr.GroupAuthorizationFailed) {
			t.Fatalf("commit: %v, want %v", err, kerr.GroupAuthorizationFailed)
		}
	}
	if err := admin.CommitAllOffsets(t.Context(), "billing", offsets); err != nil {
		t.Errorf("another group: %v", err)
	}
	fault.Lift()
	fault.Lift()
	if err := admin.CommitAllOffsets(t.Context(), "shipping", offsets); err != nil {
		t.Errorf("after Lift: %v", err)
	}
}

func TestHangHoldsWritesOfOneTopicUntilLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1, "other": 1}, Virtual: true, Timeout: time.Hour})
		fault := b.Fault(kafkatest.Fault{Topic: "orders", Hang: true})
		c, other := client(t, b), client(t, b)
		done := make(chan error, 1)
		c.Produce(t.Context(), &kgo.Record{Topic: "orders"}, func(_ *kgo.Record, err error) { done <- err })
		fault.Wait(t, 1)
		if err := other.ProduceSync(t.Context(), &kgo.Record{Topic: "other"}).FirstErr(); err != nil {
			t.Errorf("another topic: %v", err)
		}
		time.Sleep(5 * time.Second)
		select {
		case err := <-done:
			t.Fatalf("the write ended while it hangs: %v", err)
		default:
		}
		fault.Lift()
		if err := <-done; err != nil {
			t.Errorf("after Lift: %v", err)
		}
		if got := len(b.Records(t, "orders")); got != 1 {
			t.Errorf("%d records, want 1", got)
		}
	})
}

func TestHangsBehindALiftedOneStillHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 1}, Virtual: true})
		first := b.Fault(kafkatest.Fault{Topic: "orders", Hang: true})
		second := b.Fault(kafkatest.Fault{Topic: "orders", Hang: true})
		first.Lift()
		c := client(t, b)
		done := make(chan error, 1)
		c.Produce(t.Context(), &kgo.Record{Topic: "orders"}, func(_ *kgo.Record, err error) { done <- err })
		second.Wait(t, 1)
		if first.Hits() != 0 {
			t.Errorf("a lifted fault hit %d requests", first.Hits())
		}
		second.Lift()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAnHourPassesAtOnceInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"orders": 4}, Brokers: 3, Virtual: true, Timeout: 2 * time.Hour})
		c := client(t, b, kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders"), kgo.DisableAutoCommit())
		b.WaitMembers(t, "shipping", 1)
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("k")})
		b.Down()
		go func() {
			time.Sleep(time.Hour)
			if err := b.Up(); err != nil {
				t.Error(err)
			}
			for c.PollFetches(t.Context()).NumRecords() == 0 {
				continue // The first answers are the errors of the hour.
			}
			if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		start := time.Now()
		b.WaitCaughtUp(t, "orders", "shipping")
		if waited := time.Since(start); waited < time.Hour || waited > 62*time.Minute {
			t.Errorf("caught up after %s, want an hour and a little", waited)
		}
	})
}

func TestCloseEndsClientsAndWaiters(t *testing.T) {
	b, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 1}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := b.Dial(t.Context(), "tcp", b.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan string)
	go func() { failed <- fails(t, func(t *fakeTB) { b.WaitRecords(t, "orders", 1) }) }()
	b.Close()
	b.Close()
	if got := <-failed; !strings.Contains(got, "the broker is closed") {
		t.Errorf("waiter failed with %q", got)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived Close")
	}
	if got := fails(t, func(t *fakeTB) { b.Records(t, "orders") }); !strings.Contains(got, "the broker is closed") {
		t.Errorf("reading after Close failed with %q", got)
	}
	if _, err := b.Progress("orders", "shipping"); err == nil {
		t.Error("Progress after Close has no error")
	}
}

func TestNewNamesEveryFaultOfItsConfig(t *testing.T) {
	_, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 0, "": 1}, Brokers: -2, Port: 70000})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`Topics["orders"] is 0`, "a topic has no name", "Brokers is -2", "Port is 70000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestNewListensOnTheChosenPort(t *testing.T) {
	free, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	taken, err := kafkatest.New(kafkatest.Config{Port: port})
	if err == nil {
		taken.Close()
		t.Error("a port that is taken gave no error")
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	b := kafkatest.Start(t, kafkatest.Config{Port: port})
	if got, want := b.Addrs(), []string{free.Addr().String()}; !cmp.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
}
