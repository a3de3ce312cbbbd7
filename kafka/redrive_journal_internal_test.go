package kafka

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

func TestSelectionsOfTheSameShareTheirProgress(t *testing.T) {
	at := time.UnixMilli(1700000000123)
	of := func(f DeadLetterFilter) *selection { return &selection{"a", "b", f} }
	a := of(DeadLetterFilter{Codes: []errors.Code{errors.Internal, errors.Aborted, errors.Internal}, Keys: []string{"b", "a\xff"}, Since: at.Add(time.Microsecond), Partitions: []int32{1}})
	b := of(DeadLetterFilter{Codes: []errors.Code{errors.Aborted, errors.Internal}, Keys: []string{"a\xff", "b", "b"}, Since: at.UTC()})
	textA, errA := a.encode()
	textB, errB := b.encode()
	if textA != textB || errA != nil || errB != nil {
		t.Errorf("selections are remembered as %s (%v) and %s (%v)", textA, errA, textB, errB)
	}
	if want := `{"redrive":1,"topic":"a","group":"b","codes":["aborted","internal"],"keys":["Yf8=","Yg=="],"since":1700000000123}`; textA != want {
		t.Errorf("remembered as\n %s\nwant\n %s\nwhich older versions read too", textA, want)
	}
	all := of(DeadLetterFilter{Partitions: []int32{1}})
	other := &selection{topic: "a", group: "c"}
	for _, c := range []struct {
		s    *selection
		from string
		own  bool
	}{{a, "dlq.a.b", true}, {all, "dlq.a.b", false}, {all, "dlq.shared", true}, {other, "dlq.a.b", true}} {
		text, err := c.s.encode()
		group := c.s.journalGroup(c.from, text)
		plain := "redrive." + c.from
		if own := group != plain; err != nil || own != c.own || own && len(group) != len(plain)+1+16 {
			t.Errorf("%s in %q is remembered by group %q, %v", text, c.from, group, err)
		}
	}
}

func FuzzDecodeSelection(f *testing.F) {
	f.Add(`{"redrive":1,"topic":"a","group":"b"}`)
	f.Add(`{"redrive":1,"topic":"a","group":"b","codes":["aborted"],"reasons":["R"],"keys":["Yf8="],"since":1,"until":2}`)
	f.Add(`{"redrive":1,"topic":"a","group":"b","codes":[null,""],"since":-9223372036854775808}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := decodeSelection(text)
		if err != nil {
			return
		}
		again, err := s.encode()
		if err != nil {
			return // Too long.
		}
		back, err := decodeSelection(again)
		if err != nil {
			t.Fatalf("%q was written and cannot be read: %v", again, err)
		}
		if third, _ := back.encode(); third != again {
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
