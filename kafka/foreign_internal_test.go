package kafka

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What Spring wrote is decoded and written again in its form: every byte is the
// same.
func TestSpringHeadersAreThoseOfSpring(t *testing.T) {
	text, err := os.ReadFile("testdata/deadletters/spring.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		DeadLetters []struct {
			Case    string `json:"case"`
			Headers []struct {
				Key    string  `json:"key"`
				Value  *string `json:"value_hex"`
				Length int     `json:"full_length"`
			} `json:"headers"`
		} `json:"dead_letters"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, v := range all.DeadLetters {
		if !strings.HasPrefix(v.Case, "blocking: orders") && !strings.HasPrefix(v.Case, "blocking: appended") && v.Case != "blocking: redriven once" {
			continue
		}
		var headers []Header
		for _, h := range v.Headers {
			header := Header{Key: h.Key}
			if h.Value != nil {
				header.Value, _ = hex.DecodeString(*h.Value)
				if header.Value == nil {
					header.Value = []byte{}
				}
			}
			headers = append(headers, header)
		}
		_, w := writerOf(headers)
		f, ok := w.decodeForeign(headers, time.Time{})
		if !ok {
			t.Fatalf("%s: not read", v.Case)
		}
		if v.Case == "blocking: redriven once" { // Its first set has the timestamp of the origin, its last that of the redrive.
			if got := f.appendSpring(w.strip(headers), "CreateTime"); len(got) != len(headers) {
				t.Errorf("%s: %d headers, want %d", v.Case, len(got), len(headers))
			}
			continue
		}
		kind := "CreateTime"
		if strings.Contains(v.Case, "appended") {
			kind = "LogAppendTime"
		}
		if diff := cmp.Diff(headers, f.appendSpring(w.strip(headers), kind)); diff != "" {
			t.Errorf("%s (-Spring +ours):\n%s", v.Case, diff)
		}
		compared++
	}
	if compared < 8 {
		t.Errorf("compared %d dead letters", compared)
	}
}

func FuzzDecodeForeign(f *testing.F) {
	f.Add("kafka_dlt-original-topic", []byte("orders"), "kafka_dlt-original-offset", []byte{0, 0, 0, 0, 0, 0, 0, 1}, "retry_topic-attempts", []byte{2})
	f.Add("__streams.errors.topic", []byte("orders"), "__streams.errors.offset", []byte("99999999999999999999"), "__connect.errors.stage", []byte("\xff"))
	f.Add("__connect.errors.topic", []byte("orders"), "__connect.errors.partition", []byte("-1"), HeaderOrigin, []byte("a/1/2"))
	f.Add("kafka_original-topic", []byte("a/b"), "kafka_original-partition", []byte{0xff, 0xff, 0xff, 0xff}, "kafka_deliveryAttempt", []byte{0x7f, 0, 0, 0})
	f.Fuzz(func(t *testing.T, k1 string, v1 []byte, k2 string, v2 []byte, k3 string, v3 []byte) {
		headers := []kgo.RecordHeader{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k3, Value: v3}}
		d := newDeadLetter(&kgo.Record{Topic: "dlq.x", Headers: headers})
		g := &d.Failure
		if len(g.Message) > maxMessageBytes || len(g.Stack) > maxStackBytes || len(g.Reason) > maxReasonBytes || len(g.Group) > maxGroupBytes {
			t.Errorf("texts beyond their bounds: %+v", g)
		}
		if g.Source.Partition < 0 || g.Source.Offset < 0 || g.Origin.Partition < 0 || g.Origin.Offset < 0 || g.Attempts < 0 || g.Attempts > maxAttempts || g.Hops < 0 {
			t.Errorf("numbers beyond their bounds: %+v", g)
		}
		if d.Readable && (!validTopic(g.Source.Topic) || !validTopic(g.Origin.Topic)) {
			t.Errorf("readable from %q, origin %q", g.Source.Topic, g.Origin.Topic)
		}
		if len(d.Record.Headers) > len(headers) {
			t.Errorf("%d headers of %d", len(d.Record.Headers), len(headers))
		}
	})
}
