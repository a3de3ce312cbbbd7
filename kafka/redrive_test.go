package kafka_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

const (
	topic = "orders"
	group = "shipping"
	dlq   = "dlq.orders.shipping"
)

var own = time.UnixMilli(1700000000123)

// dead is a dead letter as the consumer of this module writes it.
func dead(partition int32, offset int64, change func(*kafka.Record, *kafka.Failure)) kafka.Record {
	source := kafka.ID{Topic: topic, Partition: partition, Offset: offset}
	r := kafka.Record{Topic: dlq, Partition: partition, Value: []byte(source.String())}
	f := kafka.Failure{
		Origin: source, Source: source, Group: group, Code: errors.Unavailable, Message: "inventory is down",
		Deliveries: 8, Attempts: 8, Timestamp: own, FirstFailure: own.Add(time.Second),
	}
	if change != nil {
		change(&r, &f)
	}
	r.Headers = f.AppendHeaders(r.Headers)
	return r
}

func deadLetters(partition int32, n int) []kafka.Record {
	var all []kafka.Record
	for i := range n {
		all = append(all, dead(partition, int64(i), nil))
	}
	return all
}

func start(t *testing.T, partitions int) *kafkatest.Broker {
	t.Helper()
	return kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: partitions, dlq: partitions}})
}

func redrive(t *testing.T, b *kafkatest.Broker, cfg kafka.RedriveConfig) kafka.RedriveResult {
	t.Helper()
	cfg.Connection.Dial = b.Dial
	got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, got, want kafka.RedriveResult) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func values(records []kafka.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return all
}

func TestRedrivePutsRecordsBackAsTheyWere(t *testing.T) {
	b := start(t, 3)
	mixed := []kafka.Header{{Key: "b", Value: []byte("1")}, {Key: "traceparent", Value: []byte("00-x")}, {Key: "b", Value: nil}, {Key: "a", Value: []byte{}}}
	b.Produce(t,
		dead(2, 7, func(r *kafka.Record, f *kafka.Failure) {
			r.Headers, r.Value = mixed, []byte("v")
			f.Redrives, f.Attempts = 1, 16
			f.Origin = kafka.ID{Topic: topic, Partition: 2, Offset: 3}
		}),
		dead(1, 5, func(r *kafka.Record, _ *kafka.Failure) { r.Value = nil }),
		dead(0, 5, func(r *kafka.Record, _ *kafka.Failure) { r.Value = []byte{} }),
	)
	before := time.Now().Add(-time.Minute)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 3})

	got := b.Records(t, topic)
	if len(got) != 3 || got[0].Value == nil || len(got[0].Value) != 0 || got[1].Value != nil {
		t.Fatalf("records %v, want an empty value in partition 0 and none in partition 1", got)
	}
	r := got[2]
	if r.Partition != 2 || string(r.Value) != "v" || r.Key != nil {
		t.Errorf("record %+v, want it in partition 2 with value v and no key", r)
	}
	if want := (kafka.ID{Topic: topic, Partition: 2, Offset: 0}); r.ID() != want {
		// The origin is believed from other places only; this record lies
		// before it, which no redrive makes happen but a test does.
		t.Errorf("ID %v, want %v", r.ID(), want)
	}
	if r.Redrives() != 2 {
		t.Errorf("%d redrives, want 2", r.Redrives())
	}
	if r.Timestamp.Before(before) {
		t.Errorf("timestamp %s, want now: retention would delete it", r.Timestamp)
	}
	if diff := cmp.Diff(mixed, r.Headers[:len(mixed)]); diff != "" {
		t.Errorf("headers of the source (-want +got):\n%s", diff)
	}
	wantOwn := map[string]string{
		kafka.HeaderOrigin: "orders/2/3", kafka.HeaderAttempts: "16", kafka.HeaderRedrives: "2",
		kafka.HeaderTimestamp: "1700000000123", kafka.HeaderFirstFailure: "1700000001123",
	}
	gotOwn := map[string]string{}
	for _, h := range r.Headers[len(mixed):] {
		gotOwn[h.Key] = string(h.Value)
	}
	if diff := cmp.Diff(wantOwn, gotOwn); diff != "" {
		t.Errorf("headers of the redrive (-want +got):\n%s", diff)
	}
}

func TestRedriveKeepsTheRecordsID(t *testing.T) {
	b := start(t, 1)
	written := b.Produce(t, kafka.Record{Topic: topic}, kafka.Record{Topic: topic})
	b.Produce(t, dead(0, written[1].Offset, nil))
	redrive(t, b, kafka.RedriveConfig{})
	got := b.Records(t, topic)
	if id := got[2].ID(); id != written[1].ID() {
		t.Errorf("ID %v, want %v", id, written[1].ID())
	}
}

func TestRedriveTakesThePartitionModuloTheCount(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 2, dlq: 4}})
	b.Produce(t, dead(3, 0, nil), dead(2, 0, nil))
	redrive(t, b, kafka.RedriveConfig{})
	if diff := cmp.Diff([]string{"orders/2/0", "orders/3/0"}, values(b.Records(t, topic))); diff != "" {
		t.Errorf("records by partition (-want +got):\n%s", diff)
	}
}

func TestRedriveLeavesToTheNextRunWhatIsNew(t *testing.T) {
	b := start(t, 2)
	b.Produce(t, deadLetters(0, 3)...)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 3})
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{})
	b.Produce(t, deadLetters(1, 2)...)
	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 2})
	want(t, redrive(t, b, kafka.RedriveConfig{Again: true}), kafka.RedriveResult{Redriven: 5})
	if got := len(b.Records(t, topic)); got != 10 {
		t.Errorf("%d records, want 10", got)
	}
}

func TestRedriveWithAFilterLeavesTheRestForOtherRuns(t *testing.T) {
	b := start(t, 2)
	code := func(code errors.Code) func(*kafka.Record, *kafka.Failure) {
		return func(_ *kafka.Record, f *kafka.Failure) { f.Code = code }
	}
	for i := range int64(4) {
		b.Produce(t, dead(0, 2*i, code(errors.Unavailable)), dead(0, 2*i+1, code(errors.InvalidArgument)), dead(1, i, code(errors.Internal)))
	}
	unavailable := kafka.DeadLetterFilter{Codes: []errors.Code{errors.Unavailable}}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: unavailable}), kafka.RedriveResult{Redriven: 4, Skipped: 8})
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: unavailable}), kafka.RedriveResult{})

	both := kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Unavailable, errors.Internal}}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: both, DryRun: true}), kafka.RedriveResult{Redriven: 4, Done: 4, Skipped: 4})
	both.Partitions = []int32{1}
	want(t, redrive(t, b, kafka.RedriveConfig{Filter: both}), kafka.RedriveResult{Redriven: 4})

	want(t, redrive(t, b, kafka.RedriveConfig{}), kafka.RedriveResult{Redriven: 4, Done: 8})
	got := values(b.Records(t, topic))
	if slices.Sort(got); len(got) != 12 || len(slices.Compact(got)) != 12 {
		t.Errorf("records %v, want each of 12 once", got)
	}
}

func TestRedriveFilters(t *testing.T) {
	b := start(t, 2)
	at := time.UnixMilli(1790000000000)
	b.Produce(t,
		dead(0, 0, func(r *kafka.Record, f *kafka.Failure) { r.Timestamp, f.Reason = at, "OUT_OF_STOCK" }),
		dead(1, 1, func(r *kafka.Record, f *kafka.Failure) { r.Timestamp, f.Code = at.Add(time.Hour), errors.Internal }),
	)
	client := newClient(t, b)
	keyed := dead(1, 2, nil)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: dlq, Key: []byte("k\xff"), Value: []byte("keyed"), Headers: clientHeaders(keyed), Timestamp: at.Add(2 * time.Hour)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		filter kafka.DeadLetterFilter
		want   []string
	}{
		"all":              {kafka.DeadLetterFilter{}, []string{"keyed", "orders/0/0", "orders/1/1"}},
		"code":             {kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal}}, []string{"orders/1/1"}},
		"two codes":        {kafka.DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Unavailable}}, []string{"keyed", "orders/0/0", "orders/1/1"}},
		"reason":           {kafka.DeadLetterFilter{Reasons: []string{"X", "OUT_OF_STOCK"}}, []string{"orders/0/0"}},
		"key":              {kafka.DeadLetterFilter{Keys: []string{"k\xff"}}, []string{"keyed"}},
		"empty key":        {kafka.DeadLetterFilter{Keys: []string{""}}, nil},
		"since":            {kafka.DeadLetterFilter{Since: at.Add(time.Hour)}, []string{"keyed", "orders/1/1"}},
		"until":            {kafka.DeadLetterFilter{Until: at.Add(time.Hour)}, []string{"orders/0/0"}},
		"since and code":   {kafka.DeadLetterFilter{Since: at.Add(time.Minute), Codes: []errors.Code{errors.Internal}}, []string{"orders/1/1"}},
		"partition 1 only": {kafka.DeadLetterFilter{Partitions: []int32{1}, Until: at.Add(90 * time.Minute)}, []string{"orders/1/1"}},
	} {
		var got []string
		for d, err := range kafka.Browse(t.Context(), b.Addrs(), topic, group, kafka.BrowseConfig{Filter: tc.filter}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(d.Record.Value))
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		dry := redrive(t, b, kafka.RedriveConfig{Filter: tc.filter, DryRun: true})
		if dry.Redriven != len(tc.want) {
			t.Errorf("%s: a dry redrive has %d, want %d", name, dry.Redriven, len(tc.want))
		}
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	b := start(t, 1)
	b.Produce(t, deadLetters(0, 3)...)
	for range 2 {
		want(t, redrive(t, b, kafka.RedriveConfig{DryRun: true, Rate: 1, Limit: 2}), kafka.RedriveResult{Redriven: 2})
	}
	if got := len(b.Records(t, topic)); got != 0 {
		t.Errorf("a dry run wrote %d records", got)
	}
	if info := b.Cluster().GroupInfo("redrive." + dlq); info != nil {
		t.Errorf("a dry run committed %v", info.Commits)
	}
}

func BenchmarkRedrive(bench *testing.B) {
	b := kafkatest.Start(bench, kafkatest.Config{Topics: map[string]int{topic: 8, dlq: 8}, Timeout: time.Minute})
	const n = 50_000
	var all []kafka.Record
	for i := range n {
		all = append(all, dead(int32(i%8), int64(i/8), func(r *kafka.Record, _ *kafka.Failure) { r.Value = make([]byte, 256) }))
	}
	b.Produce(bench, all...)
	for bench.Loop() {
		got, err := kafka.Redrive(bench.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Again: true})
		if err != nil || got.Redriven != n {
			bench.Fatal(got, err)
		}
	}
	bench.ReportMetric(float64(n)*float64(bench.N)/bench.Elapsed().Seconds(), "records/s")
}

func newClient(t testing.TB, b *kafkatest.Broker) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(b.ClientOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func clientHeaders(r kafka.Record) []kgo.RecordHeader {
	var out []kgo.RecordHeader
	for _, h := range r.Headers {
		out = append(out, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return out
}

func TestRedriveRemembersWhatItDidByTopicAndGroup(t *testing.T) {
	const shared, other = "dlq.everything", "returns"
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topic: 1, other: 1, shared: 1}})
	of := func(topic, group string, offset int64) kafka.Record {
		return dead(0, offset, func(r *kafka.Record, f *kafka.Failure) {
			r.Topic, f.Group = shared, group
			f.Source.Topic, f.Origin.Topic = topic, topic
		})
	}
	b.Produce(t, of(topic, group, 0), of(other, group, 1), of(topic, "billing", 2), kafka.Record{Topic: shared, Value: []byte("by hand")})
	for _, run := range []struct{ topic, group string }{{topic, group}, {other, group}, {topic, "billing"}, {other, group}} {
		_, err := kafka.Redrive(t.Context(), b.Addrs(), run.topic, run.group, kafka.RedriveConfig{From: shared})
		if err != nil {
			t.Fatalf("of %v: %v", run, err)
		}
	}
	if here, there := len(b.Records(t, topic)), len(b.Records(t, other)); here != 2 || there != 1 {
		t.Errorf("%d and %d were put back, want 2 and 1: each once", here, there)
	}
	pending := 0
	for _, n := range count(t, b, kafka.CountConfig{}) {
		pending += n.Pending
	}
	if pending != 1 {
		t.Errorf("%d are pending, want the one that no run can put back", pending)
	}
}
