package kafka

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A broker that is gone is tried again and again: that is said every 10 s, for each broker,
// and no line is longer than those who collect them take.
func TestClientSaysTheSameEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newClientLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		for range 21 {
			l.Log(kgo.LogLevelError, "unable to open connection", "broker", 1, "err", errors.New("refused"))
			l.Log(kgo.LogLevelError, "unable to open connection", "broker", 2, "err", errors.New("refused"))
			l.Log(kgo.LogLevelWarn, "unable to open connection", "broker", 3)
			time.Sleep(time.Second)
		}
		for text, want := range map[string]int{"level=WARN": 6, "broker=1": 3, "broker=2": 3, "level=DEBUG": 3, "kafka client: unable": 9} {
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%q is there %d times, want %d:\n%s", text, got, want, out.String())
			}
		}
		out.Reset()
		l.Log(kgo.LogLevelError, "many", "err", errors.New(strings.Repeat("é", 6000)), "topics", []string{strings.Repeat("t", 6000)}, "text", strings.Repeat("x", 6000), "n", int32(7))
		if n := out.Len(); n > 3*maxLogText+200 || !strings.Contains(out.String(), "n=7") {
			t.Errorf("a line of %d bytes: %s", n, out.String())
		}
		for key := range l.last {
			if len(key) > maxLogText+len("…") {
				t.Errorf("%d bytes are kept to know a line again", len(key))
			}
		}
	})
}

// So is what the consumer says of an error, which is without secrets.
func TestConsumerCutsErrorsAndHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	handler := func(context.Context, *Record) error { return nil }
	c, err := NewConsumer([]string{"127.0.0.1:1"}, "g", []string{"orders"}, handler, ConsumerConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	failed := kgo.FetchTopicPartition{Topic: "orders"}
	failed.Err = errors.New("password=hunter2 " + strings.Repeat("x", 6000))
	if err := c.fetchFailed(failed); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "fetching records failed") || len(text) > maxLogText+500 || strings.Contains(text, "hunter2") {
		t.Errorf("a line of %d bytes: %s", len(text), text)
	}
}
