// Package stop_test shows what the stop of a service does to a Kafka consumer in the middle of a batch, in virtual time.
package stop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/internal/memnet"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

const (
	topic = "orders"
	group = "warehouse"
)

// A batch of which 3 s are left is finished and committed, and what comes meanwhile is left to the next member.
func TestABatchIsFinishedAndCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(context.Context) { time.Sleep(4 * time.Second) })
		w.broker.Produce(t, record("o-1"))
		<-w.holds
		w.broker.Produce(t, record("o-2"), record("o-3"), record("o-4")) // what comes while a batch is handled is the next one
		if n := <-w.holds; n != 3 {
			t.Fatalf("the batch has %d records, want 3", n)
		}
		time.Sleep(time.Second)
		w.stop()
		synctest.Wait()
		w.broker.Produce(t, record("o-5"))
		took, err := w.end()
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		if took < 3*time.Second || took > 3500*time.Millisecond {
			t.Errorf("the stop took %v, want what is left of the batch, 3 s", took)
		}
		if n := w.committed(t); n != 4 {
			t.Errorf("committed up to %d, want 4", n)
		}
		if line := w.last(t); line.Level != "INFO" || len(line.Open) > 0 || line.Cause == "" {
			t.Errorf("last line: %+v", line)
		}
	})
}

// A batch that never ends: the consumer gives it up within its own bound and says which records it held, nothing of them is
// committed, and the service ends with an error.
func TestABatchThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, forever(t))
		w.broker.Produce(t, record("o-1"))
		<-w.holds
		w.stop()
		took, err := w.end()
		if err == nil || took < 10*time.Second || took > 18*time.Second {
			t.Errorf("Run = %v after %v, want an error after 10 to 18 s", err, took)
		}
		if n := w.committed(t); n > 0 {
			t.Errorf("committed up to %d, want nothing", n)
		}
		line := w.last(t)
		if line.Level != "ERROR" || !strings.Contains(line.Error, "handlers did not return") || !strings.Contains(line.Error, topic+"/0/0") {
			t.Errorf("last line: %+v", line)
		}
	})
}

// Requests hang as well and use up their share, so the consumer's own bound no longer fits: the service's holds, and the last
// line names both.
func TestABatchAndRequestsThatHangEndAtTheServicesBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, forever(t))
		w.broker.Produce(t, record("o-1"))
		<-w.holds
		go func() {
			client := &http.Client{Transport: &http.Transport{DialContext: w.listener.Dial, DisableKeepAlives: true}}
			if res, err := client.Get("http://orders.example.com/"); err == nil {
				_ = res.Body.Close()
			}
		}()
		<-w.holds
		w.stop()
		took, err := w.end()
		if err == nil || took > 28*time.Second {
			t.Errorf("Run = %v after %v, want an error after 28 s at most", err, took)
		}
		if line := w.last(t); line.Level != "ERROR" || !slices.Equal(line.Open, []string{"http requests", `runner "orders"`}) {
			t.Errorf("last line: %+v", line)
		}
	})
}

// warehouse is the service.
type warehouse struct {
	broker   *kafkatest.Broker
	listener *memnet.Listener
	holds    chan int // how many records, or requests, somebody holds
	stop     context.CancelFunc
	done     chan error
	stopped  time.Time
	log      locked.Buffer
}

// start runs it. Its batches and its requests take as long as work does.
func start(t *testing.T, work func(context.Context)) *warehouse {
	t.Helper()
	w := &warehouse{listener: memnet.Listen(), holds: make(chan int, 10), done: make(chan error, 1)}
	w.broker = kafkatest.Start(t, kafkatest.Config{Virtual: true, Topics: map[string]int{topic: 1}})
	setup := func(_ context.Context, s *service.Service) error {
		handler := kafka.Batch(func(ctx context.Context, records []*kafka.Record) []error {
			w.holds <- len(records)
			work(ctx)
			return make([]error, len(records))
		}, kafka.BatchConfig{})
		consumer, err := kafka.NewConsumer(w.broker.Addrs(), group, []string{topic}, handler,
			kafka.ConsumerConfig{Connection: kafka.Connection{Dial: w.broker.Dial}, Logger: slog.New(logging.NewSlogHandler(s.Logger()))})
		if err != nil {
			return err
		}
		s.Go("orders", consumer.Run)
		s.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			w.holds <- 1
			work(r.Context())
		}))
		return nil
	}
	cfg := service.Config{Name: group, Listener: w.listener, AdminAddr: "-", DrainDelay: -1, NoGlobals: true, MemoryRatio: -1}
	cfg.Logging.Output = &w.log
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = func() {
		w.stopped = time.Now()
		cancel()
	}
	go func() { w.done <- service.Run(ctx, cfg, setup) }()
	return w
}

// end waits for the end, and returns how long the stop took.
func (w *warehouse) end() (time.Duration, error) {
	err := <-w.done
	return time.Since(w.stopped), err
}

func (w *warehouse) committed(t *testing.T) int64 {
	t.Helper()
	at, err := w.broker.Progress(topic, group)
	if err != nil {
		t.Fatal(err)
	}
	return at.Partitions[0].Committed
}

// forever ignores its context. It ends with the test, and what waits for it a little later, as a bubble demands.
func forever(t *testing.T) func(context.Context) {
	over := make(chan struct{})
	t.Cleanup(func() {
		close(over)
		time.Sleep(time.Minute)
	})
	return func(context.Context) { <-over }
}

func record(key string) kafka.Record {
	return kafka.Record{Topic: topic, Key: []byte(key), Value: fmt.Appendf(nil, "{%q:%q}", "id", key)}
}

type lastLine struct {
	Level string   `json:"severity_text"`
	Body  string   `json:"body"`
	Cause string   `json:"cause"`
	Open  []string `json:"open"`
	Error string   `json:"exception.message"`
}

func (w *warehouse) last(t *testing.T) lastLine {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	var l lastLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &l); err != nil || l.Body != "service stopped" {
		t.Errorf("the last line is %q (%v)", lines[len(lines)-1], err)
	}
	return l
}
