package tracing

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// A fakeLogExporter does with a batch what export says.
type fakeLogExporter struct {
	export func(ctx context.Context, records int) error
}

func (f fakeLogExporter) Export(ctx context.Context, records []sdklog.Record) error {
	return f.export(ctx, len(records))
}
func (fakeLogExporter) Shutdown(context.Context) error   { return nil }
func (fakeLogExporter) ForceFlush(context.Context) error { return nil }

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func newLogProviders(exporter sdklog.Exporter, batch batchSettings) *Providers {
	pipeline := newLogPipeline("fake", exporter, batch, quiet)
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(pipeline))
	return &Providers{
		loggers:  provider,
		config:   Config{ShutdownTimeout: DefaultShutdownTimeout},
		accounts: []*account{pipeline.account},
		running:  []running{provider},
	}
}

func emitRecords(p *Providers, n int) {
	for range n {
		var record log.Record
		record.SetBody(attribute.StringValue("order placed"))
		p.loggers.Logger("test").Emit(context.Background(), record)
	}
}

func TestFullQueueDropsAndCountsLogRecordsWithoutBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newLogProviders(fakeLogExporter{func(context.Context, int) error { <-release; return nil }},
			batchSettings{delay: time.Second, timeout: time.Minute, queueSize: 10, batchSize: 5})
		start := time.Now()
		emitRecords(p, 100)
		if took := time.Since(start); took != 0 {
			t.Errorf("the service waited %v", took)
		}
		close(release)
		err := p.Shutdown(context.Background())
		if loss, ok := errors.AsType[*LossError](err); !ok || loss.LogRecords != 90 {
			t.Errorf("got %v, want 90 log records lost", err)
		}
	})
}

// Whatever the exporter does, every log record is either delivered or lost, and the shutdown is over in time.
func TestEveryLogRecordIsDeliveredOrLost(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return random.IntN(n) }
			exporter := fakeLogExporter{func(ctx context.Context, _ int) error {
				switch roll(4) {
				case 0:
					return hang(ctx, 0)
				case 1:
					return errors.New("refused")
				}
				select {
				case <-time.After(time.Duration(roll(2000))*time.Millisecond + time.Microsecond):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}}
			queue := 1 + roll(40)
			p := newLogProviders(exporter, batchSettings{
				delay: time.Duration(1+roll(3000)) * time.Millisecond, timeout: time.Duration(1+roll(10)) * time.Second,
				queueSize: queue, batchSize: 1 + roll(queue),
			})
			emitted := int64(0)
			var services sync.WaitGroup
			for range 1 + roll(4) {
				n := roll(100)
				emitted += int64(n)
				services.Go(func() {
					for range n {
						emitRecords(p, 1)
						time.Sleep(time.Duration(roll(200)) * time.Millisecond)
					}
				})
			}
			services.Wait()
			start := time.Now()
			err := p.Shutdown(context.Background())
			if took := time.Since(start); took > DefaultShutdownTimeout {
				t.Errorf("seed %d: took %v", seed, took)
			}
			lost := int64(0)
			if loss, ok := errors.AsType[*LossError](err); ok {
				lost = loss.LogRecords
			}
			if delivered := p.accounts[0].delivered.Load(); lost+delivered != emitted {
				t.Errorf("seed %d: %d delivered + %d lost, want %d", seed, delivered, lost, emitted)
			}
		})
	}
}
