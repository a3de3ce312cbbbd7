package kafka

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

func TestFiltersThatSelectTheSameShareTheirProgress(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	a := DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Aborted, errors.Internal}, Keys: []string{"b", "a\xff"}, Since: at.Add(time.Microsecond), Partitions: []int32{1}}
	b := DeadLetterFilter{Codes: []errors.Code{errors.Aborted, errors.Internal}, Keys: []string{"a\xff", "b", "b"}, Since: at.UTC()}
	textA, errA := encodeFilter(&a)
	textB, errB := encodeFilter(&b)
	if textA != textB || errA != nil || errB != nil {
		t.Errorf("filters are remembered as %s (%v) and %s (%v)", textA, errA, textB, errB)
	}
	if group := journalGroup("dlq.a.b", textA); group == "redrive.dlq.a.b" || len(group) != len("redrive.dlq.a.b#")+16 {
		t.Errorf("group %q, want one of the filter's own", group)
	}
	everything, _ := encodeFilter(&DeadLetterFilter{Partitions: []int32{1}})
	if group := journalGroup("dlq.a.b", everything); group != "redrive.dlq.a.b" {
		t.Errorf("group %q for everything", group)
	}
	if want := `{"redrive":1,"codes":["aborted","internal"],"keys":["Yf8=","Yg=="],"since":1700000000123}`; textA != want {
		t.Errorf("remembered as\n %s\nwant\n %s\nwhich older versions read too", textA, want)
	}
}

func FuzzDecodeFilter(f *testing.F) {
	f.Add(`{"redrive":1}`)
	f.Add(`{"redrive":1,"codes":["aborted"],"reasons":["R"],"keys":["Yf8="],"since":1,"until":2}`)
	f.Add(`{"redrive":1,"codes":[null,""],"since":-9223372036854775808}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := decodeFilter(text)
		if err != nil {
			return
		}
		again, err := encodeFilter(&filter)
		if err != nil {
			return // Too long.
		}
		back, err := decodeFilter(again)
		if err != nil {
			t.Fatalf("%q was written and cannot be read: %v", again, err)
		}
		if third, _ := encodeFilter(&back); third != again {
			t.Errorf("%q became %q", again, third)
		}
	})
}

func FuzzNewDeadLetter(f *testing.F) {
	f.Add(HeaderTopic, []byte("orders"), HeaderPartition, []byte("-1"), HeaderOrigin, []byte("orders/1/2"))
	f.Add(HeaderOrigin, []byte("a/99999999999/1"), HeaderTopic, []byte("\xff"), HeaderRedrives, []byte("99999999999999999999"))
	f.Add(HeaderTopic, []byte("orders"), HeaderTraceParent, []byte("00-----"), HeaderFirstFailure, []byte("9223372036854775807"))
	f.Fuzz(func(t *testing.T, k1 string, v1 []byte, k2 string, v2 []byte, k3 string, v3 []byte) {
		r := &kgo.Record{Topic: "dlq.orders.shipping", Offset: 5, Headers: []kgo.RecordHeader{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k3, Value: v3}}}
		d := newDeadLetter(r)
		d.TraceID()
		if !d.Readable {
			return
		}
		if !validTopic(d.Failure.Source.Topic) || !validTopic(d.Failure.Origin.Topic) || d.Record.Partition < 0 || d.Failure.Source.Partition < 0 {
			t.Errorf("believed %+v", d.Failure)
		}
		to := &redriveTarget{topic: "orders", partitions: 3}
		back := to.record(d.Failure.Source.Partition, d.Record.Key, d.Record.Value, redriveHeaders(d))
		if back.Partition < 0 || back.Partition > 2 {
			t.Errorf("would be written to partition %d of 3", back.Partition)
		}
		var headers []Header
		for _, h := range back.Headers {
			headers = append(headers, Header{Key: h.Key, Value: h.Value})
		}
		f, _ := DecodeFailure(headers)
		if f.Redrives < 1 || f.Redrives > maxRedrives || f.Origin != d.Failure.Origin {
			t.Errorf("redriven as %+v", f)
		}
		if diff := cmp.Diff(d.Record.Headers, StripFailureHeaders(headers)); diff != "" {
			t.Errorf("headers of the source:\n%s", diff)
		}
	})
}
