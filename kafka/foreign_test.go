package kafka_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// vector is a dead letter that another implementation wrote on a real broker.
type vector struct {
	Case   string `json:"case"`
	Source *struct {
		Topic     string         `json:"topic"`
		Partition int32          `json:"partition"`
		Offset    int64          `json:"offset"`
		Timestamp int64          `json:"timestamp"`
		Key       hexBytes       `json:"key_hex"`
		Value     hexBytes       `json:"value_hex"`
		Headers   []vectorHeader `json:"headers"`
	} `json:"source"`
	Topic     string         `json:"topic"`
	Partition int32          `json:"partition"`
	Offset    int64          `json:"offset"`
	Timestamp int64          `json:"timestamp"`
	Key       hexBytes       `json:"key_hex"`
	Value     hexBytes       `json:"value_hex"`
	Headers   []vectorHeader `json:"headers"`
}

type vectorHeader struct {
	Key     string   `json:"key"`
	Value   hexBytes `json:"value_hex"`
	Meaning any      `json:"meaning"`
	Length  int      `json:"full_length"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return err
	}
	b, err := hex.DecodeString(*s)
	*h = append(make([]byte, 0, len(b)), b...)
	return err
}

func vectors(t *testing.T, file string) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/deadletters/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		DeadLetters []vector `json:"dead_letters"`
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all.DeadLetters) == 0 {
		t.Fatalf("%s: %d dead letters, %v", file, len(all.DeadLetters), err)
	}
	return all.DeadLetters
}

func headersOf(in []vectorHeader) []kafka.Header {
	var out []kafka.Header
	for _, h := range in {
		out = append(out, kafka.Header{Key: h.Key, Value: h.Value})
	}
	return out
}

// meaning is the last header's value in words.
func (v *vector) meaning(key string) string {
	for i := len(v.Headers) - 1; i >= 0; i-- {
		if v.Headers[i].Key == key {
			return fmt.Sprint(v.Headers[i].Meaning)
		}
	}
	return ""
}

func (v *vector) count(key string) (n int) {
	for _, h := range v.Headers {
		if h.Key == key {
			n++
		}
	}
	return n
}

// browseVector puts the dead letter into a cluster and reads it.
func browseVector(t *testing.T, b *kafkatest.Broker, v *vector) *kafka.DeadLetter {
	t.Helper()
	place := "dlq." + strings.ReplaceAll(strings.ToLower(strings.Map(func(r rune) rune {
		if r == ' ' || r == ':' || r == ',' || r == '/' {
			return '-'
		}
		return r
	}, v.Case)), "--", "-")
	place = fmt.Sprintf("%s-%s-%d-%d", place, v.Topic, v.Partition, v.Offset)
	b.CreateTopic(t, place, 1)
	b.Produce(t, kafka.Record{Topic: place, Key: v.Key, Value: v.Value, Headers: headersOf(v.Headers), Timestamp: time.UnixMilli(v.Timestamp)})
	for d, err := range kafka.Browse(t.Context(), b.Addrs(), "any", "any", kafka.BrowseConfig{From: place}) {
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Fatal("no dead letter")
	return nil
}

func TestEveryDeadLetterOfOthersIsRead(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Config{})
	for _, file := range []string{"spring.json", "share-groups.json", "connect-streams.json"} {
		for _, v := range vectors(t, file) {
			t.Run(v.Case, func(t *testing.T) {
				d := browseVector(t, b, &v)
				if !d.Readable || d.Writer == "" || d.Writer == kafka.WriterSDK {
					t.Fatalf("readable %v, writer %q", d.Readable, d.Writer)
				}
				var says expectation
				switch {
				case strings.HasPrefix(v.Case, "blocking"), strings.HasPrefix(v.Case, "retry topics"):
					says = expectSpring(&v)
				case strings.HasPrefix(v.Case, "streams"):
					says = expectation{kafka.WriterStreams, v.meaning("__streams.errors.exception"), v.meaning("__streams.errors.message"), "", 1, 0}
				case strings.HasPrefix(v.Case, "connect"):
					says = expectation{
						kafka.WriterConnect, v.meaning("__connect.errors.exception.class.name"),
						v.meaning("__connect.errors.stage") + ": " + v.meaning("__connect.errors.exception.message"), "connect-file-sink", v.count("__connect.errors.topic"), 0,
					}
				default:
					says = expectation{kafka.WriterShareGroup, "", v.meaning("__dlq.errors.message"), v.meaning("__dlq.errors.group"), 1, atoi(v.meaning("__dlq.errors.delivery.count"))}
				}
				got := expectation{d.Writer, d.Failure.Reason, d.Failure.Message, d.Failure.Group, d.Failure.Hops, d.Failure.Attempts}
				if diff := cmp.Diff(says, got); diff != "" {
					t.Errorf("failure (-want +got):\n%s", diff)
				}
				wantOrigin(t, &v, d)
				wantRecord(t, &v, d)
			})
		}
	}
}

// expectation is what a dead letter says.
type expectation struct {
	Writer                 kafka.Writer
	Reason, Message, Group string
	Hops, Attempts         int
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

func expectSpring(v *vector) expectation {
	family := "kafka_dlt-"
	if v.count("kafka_exception-message")+v.count("kafka_original-topic") > 0 {
		family = "kafka_"
	}
	message := v.meaning(family + "exception-message")
	if message == "" {
		message = v.meaning(family + "key-exception-message")
	}
	says := expectation{
		Writer: kafka.WriterSpring, Reason: v.meaning(family + "exception-cause-fqcn"), Message: message,
		Group: v.meaning("kafka_dlt-original-consumer-group"),
		Hops:  max(v.count(family+"original-topic"), v.count("retry_topic-attempts")), Attempts: atoi(v.meaning("kafka_deliveryAttempt")),
	}
	if next := atoi(v.meaning("retry_topic-attempts")); next > 0 {
		says.Attempts = next - 1
	}
	return says
}

// wantOrigin compares with the record that was produced first.
func wantOrigin(t *testing.T, v *vector, d *kafka.DeadLetter) {
	t.Helper()
	want := map[string]kafka.ID{
		"blocking: dead letter of a dead letter":                  {Topic: "orders", Partition: 2},
		"blocking: dead letter of a dead letter of a dead letter": {Topic: "orders", Partition: 2},
		"blocking: redriven once":                                 {Topic: "orders", Partition: 2},
	}[v.Case]
	if want.Topic == "" && v.Source != nil {
		want = kafka.ID{Topic: v.Source.Topic, Partition: v.Source.Partition, Offset: v.Source.Offset}
	}
	if want.Topic == "" { // The broker made it of a transaction's marker.
		want = kafka.ID{Topic: "share-11", Offset: d.Failure.Source.Offset}
	}
	if d.Failure.Origin != want || d.Record.ID() != want {
		t.Errorf("origin %v, ID %v, want %v", d.Failure.Origin, d.Record.ID(), want)
	}
	if v.Source != nil && d.Failure.Source.Topic != v.Source.Topic {
		t.Errorf("source %v, want topic %s", d.Failure.Source, v.Source.Topic)
	}
}

// wantRecord compares the record with its source, as far as the writer kept it.
func wantRecord(t *testing.T, v *vector, d *kafka.DeadLetter) {
	t.Helper()
	if v.Key == nil && v.Value == nil && d.Writer == kafka.WriterShareGroup {
		if !d.Lost {
			t.Error("the record is not there and not called lost")
		}
		return
	}
	if diff := cmp.Diff([]hexBytes{v.Key, v.Value}, []hexBytes{d.Record.Key, d.Record.Value}); diff != "" || d.Lost {
		t.Errorf("record (-want +got), lost %v:\n%s", d.Lost, diff)
	}
	if v.Source == nil || d.Writer == kafka.WriterShareGroup {
		return // Share groups drop headers and timestamps.
	}
	var want []kafka.Header
	for _, h := range headersOf(v.Source.Headers) {
		if !strings.HasPrefix(h.Key, "kafka_") && !strings.HasPrefix(h.Key, "__connect") {
			want = append(want, h)
		}
	}
	got := slices.DeleteFunc(slices.Clone(d.Record.Headers), func(h kafka.Header) bool { return h.Key == "__TypeId__" }) // of Spring's serializer
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if first := time.UnixMilli(v.Source.Timestamp); !strings.Contains(v.Case, "dead letter of a") && v.Case != "blocking: redriven once" && !d.Record.Timestamp.Equal(first) {
		t.Errorf("timestamp %v, want %v", d.Record.Timestamp, first)
	}
}

func TestDeadLettersOfOthersAreRedriven(t *testing.T) {
	for file, c := range map[string]struct{ pick, topic, group string }{
		"spring.json":          {"blocking: redriven once", "redriven", "billing"},
		"connect-streams.json": {"connect: value cannot be converted", "connect-in", "connect-file-sink"},
		"share-groups.json":    {"rejected, copied", "share-02", "share-group-02"},
	} {
		t.Run(file, func(t *testing.T) {
			b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{c.topic: 3, "dlq": 1}})
			for _, v := range vectors(t, file) {
				if v.Case != c.pick {
					continue
				}
				b.Produce(t, kafka.Record{Topic: "dlq", Key: v.Key, Value: v.Value, Headers: headersOf(v.Headers)})
				result, err := kafka.Redrive(t.Context(), b.Addrs(), c.topic, c.group, kafka.RedriveConfig{From: "dlq", Limit: 1})
				if err != nil || result.Redriven != 1 {
					t.Fatalf("result %+v, %v", result, err)
				}
				back := b.Records(t, c.topic)[0]
				if diff := cmp.Diff([]hexBytes{v.Key, v.Value}, []hexBytes{back.Key, back.Value}); diff != "" || back.Partition != v.Source.Partition {
					t.Errorf("partition %d, record (-want +got):\n%s", back.Partition, diff)
				}
				for _, h := range back.Headers {
					if strings.HasPrefix(h.Key, "kafka_") || strings.HasPrefix(h.Key, "__connect") || strings.HasPrefix(h.Key, "__dlq") {
						t.Errorf("header %s came along", h.Key)
					}
				}
				if back.Redrives() != 1 {
					t.Errorf("redrives %d", back.Redrives())
				}
				return
			}
			t.Fatalf("no case %q", c.pick)
		})
	}
}

func TestHostileHeadersOfOthersAreClamped(t *testing.T) {
	v := vectors(t, "spring.json")[0]
	huge := strings.Repeat("\xff", 1<<20)
	v.Case, v.Headers = "hostile", []vectorHeader{
		{Key: "kafka_dlt-original-topic", Value: []byte("orders")},
		{Key: "kafka_dlt-original-partition", Value: []byte{0xff, 0xff, 0xff, 0xff}},
		{Key: "kafka_dlt-original-offset", Value: []byte{0x80, 0, 0, 0, 0, 0, 0, 0}},
		{Key: "kafka_dlt-original-timestamp", Value: []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{Key: "retry_topic-attempts", Value: []byte{0x7f, 0xff, 0xff, 0xff}},
		{Key: "kafka_dlt-exception-message", Value: []byte(huge)[:100_000]},
	}
	d := browseVector(t, kafkatest.Start(t, kafkatest.Config{}), &v)
	if f := d.Failure; f.Origin != (kafka.ID{Topic: "orders"}) || !f.Timestamp.IsZero() || f.Attempts != 0 || len(f.Message) > 4<<10 || f.Code != errors.Unknown {
		t.Errorf("failure %+v", f)
	}
}

func TestDeadLettersHaveSpringsHeadersWhenAskedFor(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 3}}, func(t *testing.T, b *kafkatest.Broker) {
		b.Produce(t, kafka.Record{Topic: "orders", Partition: 2, Value: []byte("v"), Headers: []kafka.Header{
			{Key: "tag", Value: []byte("a")}, {Key: "kafka_dlt-original-topic", Value: []byte("elsewhere")}, {Key: "retry_topic-attempts", Value: []byte{9}},
		}})
		cfg := quiet(t, b)
		cfg.SpringHeaders = true
		consumer, err := kafka.NewConsumer(b.Addrs(), "billing", []string{"orders"}, func(context.Context, *kafka.Record) error {
			return errors.InvalidArgument.New("An order needs a quantity.")
		}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- consumer.Run(ctx) }()
		letter := b.WaitDeadLetters(t, "orders", "billing", 1)[0]
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		got := map[string]string{}
		for _, h := range b.Records(t, "dlq.orders.billing")[0].Headers {
			if strings.HasPrefix(h.Key, "kafka_") || strings.HasPrefix(h.Key, "retry_") {
				got[h.Key] = string(h.Value)
			}
		}
		delete(got, "kafka_dlt-exception-stacktrace")
		delete(got, "kafka_dlt-original-timestamp")
		want := map[string]string{
			"kafka_dlt-exception-fqcn": "org.springframework.kafka.listener.ListenerExecutionFailedException", "kafka_dlt-exception-cause-fqcn": "invalid_argument",
			"kafka_dlt-exception-message": "invalid_argument: An order needs a quantity.", "kafka_dlt-original-topic": "orders",
			"kafka_dlt-original-partition": "\x00\x00\x00\x02", "kafka_dlt-original-offset": "\x00\x00\x00\x00\x00\x00\x00\x00",
			"kafka_dlt-original-timestamp-type": "CreateTime", "kafka_dlt-original-consumer-group": "billing",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if letter.Writer != kafka.WriterSDK || letter.Failure.Code != errors.InvalidArgument {
			t.Errorf("dead letter %+v", letter)
		}
	})
}

// Whoever wrote Spring's headers for a failure, they are gone from what comes back: a record
// whose headers grow with every failure is too large one day. Those with which a record
// came, from a topic of Spring's for instance, are its own and stay.
func TestRedriveLeavesSpringsHeadersOfTheFailureOut(t *testing.T) {
	for name, c := range map[string]struct {
		write bool
		want  []string
	}{"written by this module": {true, []string{"tag"}}, "of the record": {false, []string{"tag", "kafka_original-topic", "retry_topic-attempts"}}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.SpringHeaders = c.write
				run(t, b, "g", []string{"orders"}, rejectAll, cfg)
				b.Produce(t, kafka.Record{Topic: "orders", Headers: []kafka.Header{
					{Key: "tag", Value: []byte("a")}, {Key: "kafka_original-topic", Value: []byte("before")}, {Key: "retry_topic-attempts", Value: []byte{2}},
				}})
				for failures := 1; failures <= 3; failures++ {
					letters := b.WaitDeadLetters(t, "orders", "g", failures)
					if got := keysOf(letters[failures-1].Record.Headers); !slices.Equal(got, c.want) {
						t.Errorf("failure %d: the dead letter has %q, want %q", failures, got, c.want)
					}
					if _, err := kafka.Redrive(t.Context(), b.Addrs(), "orders", "g", kafka.RedriveConfig{Connection: kafka.Connection{Dial: b.Dial}, Logger: discard}); err != nil {
						t.Fatal(err)
					}
				}
				for _, r := range b.Records(t, "orders")[1:] {
					if got := keysOf(kafka.StripFailureHeaders(r.Headers)); !slices.Equal(got, c.want) {
						t.Errorf("record %d came back with %q, want %q", r.Offset, got, c.want)
					}
				}
			})
		})
	}
}

func keysOf(headers []kafka.Header) []string {
	var keys []string
	for _, h := range headers {
		keys = append(keys, h.Key)
	}
	return keys
}
