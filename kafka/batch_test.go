package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// batches calls a batch handler as many workers do, and notes what it got.
type batches struct {
	handler kafka.Handler
	calls   sync.WaitGroup

	mu   sync.Mutex
	seen [][]string
	errs map[string]error
}

func newBatches(cfg kafka.BatchConfig, handle kafka.BatchHandler) *batches {
	b := &batches{errs: map[string]error{}}
	b.handler = kafka.Batch(func(ctx context.Context, records []*kafka.Record) []error {
		b.mu.Lock()
		b.seen = append(b.seen, names(records))
		b.mu.Unlock()
		return handle(ctx, records)
	}, cfg)
	return b
}

func names(records []*kafka.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Value)
	}
	slices.Sort(out)
	return out
}

func (b *batches) call(ctx context.Context, values ...string) {
	for _, v := range values {
		b.calls.Go(func() {
			err := b.handler(ctx, &kafka.Record{Topic: "orders", Value: []byte(v)})
			b.mu.Lock()
			defer b.mu.Unlock()
			b.errs[v] = err
		})
		synctest.Wait() // so that they come in this order
	}
}

func (b *batches) wantSeen(t *testing.T, want ...[]string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.seen); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

func slowly(d time.Duration) kafka.BatchHandler {
	return func(context.Context, []*kafka.Record) []error {
		time.Sleep(d)
		return nil
	}
}

func TestBatchGrowsWithTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{}, slowly(time.Second))
		b.call(t.Context(), "a", "b", "c", "d")
		b.calls.Wait()
		b.call(t.Context(), "e")
		b.calls.Wait()
		b.wantSeen(t, []string{"a"}, []string{"b", "c", "d"}, []string{"e"})
	})
}

func TestBatchSizeAndParallelBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{Size: 2, Parallel: 2}, slowly(time.Second))
		began := time.Now()
		b.call(t.Context(), "a", "b", "c", "d", "e", "f")
		b.calls.Wait()
		slices.SortFunc(b.seen, slices.Compare)
		b.wantSeen(t, []string{"a"}, []string{"b"}, []string{"c", "d"}, []string{"e", "f"})
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v, want two rounds of two", took)
		}
	})
}

func TestBatchWaitsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{Size: 3, Wait: 10 * time.Millisecond, Parallel: -1}, slowly(0))
		began := time.Now()
		b.call(t.Context(), "a", "b", "c")
		b.calls.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("a full batch waited %v", took)
		}
		b.call(t.Context(), "d", "e")
		b.calls.Wait()
		if took := time.Since(began); took != 10*time.Millisecond {
			t.Errorf("the rest waited %v, want 10ms", took)
		}
		b.wantSeen(t, []string{"a", "b", "c"}, []string{"d", "e"})
	})
}

func TestBatchResultsAreEachRecordsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{Wait: time.Millisecond}, func(_ context.Context, records []*kafka.Record) []error {
			results := make([]error, len(records))
			for i, r := range records {
				if string(r.Value) != "ok" {
					results[i] = errors.InvalidArgument.New(string(r.Value))
				}
			}
			return results
		})
		b.call(t.Context(), "x", "ok", "y")
		b.calls.Wait()
		if b.errs["ok"] != nil || !strings.Contains(fmt.Sprint(b.errs["x"]), "x") || !strings.Contains(fmt.Sprint(b.errs["y"]), "y") {
			t.Errorf("errors %v", b.errs)
		}
	})
}

func TestBatchHandlerThatBreaksFailsItsRecords(t *testing.T) {
	for want, handle := range map[string]kafka.BatchHandler{
		"panic: boom":                   func(context.Context, []*kafka.Record) []error { panic("boom") },
		"returned 1 results for 2 reco": func(context.Context, []*kafka.Record) []error { return make([]error, 1) },
		"returned 0 results for 2 reco": func(context.Context, []*kafka.Record) []error { return []error{} },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBatches(kafka.BatchConfig{Wait: time.Millisecond}, handle)
			b.call(t.Context(), "a", "b")
			b.calls.Wait()
			for v, err := range b.errs {
				if errors.CodeOf(err) != errors.Internal || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", v, err, want)
				}
			}
			if len(b.errs) != 2 {
				t.Errorf("%d results", len(b.errs))
			}
		})
	}
}

func TestBatchThatOneRecordCutsOffIsRepeatedForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{Wait: time.Millisecond}, func(ctx context.Context, records []*kafka.Record) []error {
			results := make([]error, len(records))
			for i, r := range records {
				if string(r.Value) == "bad" {
					results[i] = errors.InvalidArgument.New("bad")
				}
			}
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
				return results
			}
			<-ctx.Done()
			for i, r := range records {
				if string(r.Value) != "bad" {
					results[i] = errors.Unavailable.Wrap(ctx.Err(), "")
				}
			}
			return results
		})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		long, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		b.call(short, "hangs")
		b.call(long, "good", "bad")
		b.calls.Wait()
		b.wantSeen(t, []string{"bad", "good", "hangs"}, []string{"good"})
		if b.errs["good"] != nil || !errors.Is(b.errs["hangs"], context.DeadlineExceeded) && errors.CodeOf(b.errs["hangs"]) != errors.Unavailable || errors.CodeOf(b.errs["bad"]) != errors.InvalidArgument {
			t.Errorf("errors %v", b.errs)
		}
	})
}

func TestRecordThatWaitsForABatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBatches(kafka.BatchConfig{}, slowly(time.Minute))
		b.call(t.Context(), "first")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.call(ctx, "second")
		b.calls.Wait()
		b.wantSeen(t, []string{"first"})
		if err := b.errs["second"]; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestBatchInAConsumer(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 2}}, func(t *testing.T, b *kafkatest.Broker) {
		spans := tracetest.NewSpanRecorder()
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		cfg := quiet(t, b)
		cfg.TracerProvider = tracer
		var mu sync.Mutex
		var sizes []int
		attempts := map[string][]int{}
		handler := kafka.Batch(func(_ context.Context, records []*kafka.Record) []error {
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(records))
			results := make([]error, len(records))
			for i, r := range records {
				attempts[string(r.Key)] = append(attempts[string(r.Key)], r.Attempt())
				switch {
				case string(r.Key) == "k-7":
					results[i] = errors.InvalidArgument.New("poison")
				case string(r.Key) == "k-9" && r.Attempt() < 3:
					results[i] = errors.Aborted.New("again")
					if r.Attempt() > 1 && len(records) != 1 {
						t.Errorf("a record that failed is in a batch of %d", len(records))
					}
				}
			}
			return results
		}, kafka.BatchConfig{})
		for i := range 100 {
			b.Produce(t, kafka.Record{Topic: "orders", Key: fmt.Appendf(nil, "k-%d", i)})
		}
		consumer, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, handler, cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- consumer.Run(ctx) }()
		b.WaitCaughtUp(t, "orders", "g")
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if letters := b.DeadLetters(t, "orders", "g"); len(letters) != 1 || string(letters[0].Record.Key) != "k-7" {
			t.Errorf("dead letters %v", letters)
		}
		if diff := cmp.Diff([]int{1, 2, 3}, attempts["k-9"]); diff != "" {
			t.Errorf("attempts of k-9: %s", diff)
		}
		if len(sizes) > 20 || slices.Max(sizes) < 20 {
			t.Errorf("batches of %v for 100 records", sizes)
		}
		linked := 0
		for _, s := range spans.Ended() {
			if s.Name() == "process batch" {
				linked += len(s.Links())
			}
		}
		if linked != 102 {
			t.Errorf("spans of batches have %d links, want 102", linked)
		}
	})
}
