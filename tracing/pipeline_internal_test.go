package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// A fakeExporter does with a batch what export says.
type fakeExporter struct {
	export    func(ctx context.Context, spans int) error
	delivered atomic.Int64
}

func (f *fakeExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := f.export(ctx, len(spans))
	if err == nil {
		f.delivered.Add(int64(len(spans)))
	}
	return err
}

func (f *fakeExporter) Shutdown(context.Context) error { return nil }

func hang(ctx context.Context, _ int) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// newTestProviders is what Setup makes, around an exporter.
func newTestProviders(exporter sdktrace.SpanExporter, batch batchSettings, logger *slog.Logger) *Providers {
	pipeline := newSpanPipeline("fake", exporter, batch, logger)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(pipeline))
	return &Providers{
		tracers:  provider,
		config:   Config{ShutdownTimeout: DefaultShutdownTimeout},
		accounts: []*account{pipeline.account},
		running:  []running{provider},
	}
}

func endSpans(p *Providers, n int) {
	for range n {
		_, span := p.tracers.Tracer("test").Start(context.Background(), "span")
		span.End()
	}
}

var quiet = slog.New(slog.DiscardHandler)

// The bubble also shows that no goroutine is left behind.
func TestShutdownIsBoundedWhereTheExporterHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestProviders(&fakeExporter{export: hang}, (&environment{lookup: noVariables}).batch("OTEL_BSP_", time.Second), quiet)
		endSpans(p, 2000)
		start := time.Now()
		err := p.Shutdown(context.Background())
		if took := time.Since(start); took != DefaultShutdownTimeout {
			t.Errorf("took %v, want %v", took, DefaultShutdownTimeout)
		}
		loss, ok := errors.AsType[*LossError](err)
		if !ok || loss.Spans != 2000 {
			t.Errorf("got %v, want 2000 spans lost", err)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say that the time was up", err)
		}
		synctest.Wait()
		if failed := p.accounts[0].failed.Load(); failed != 2000 {
			t.Errorf("%d spans have failed after the abort, want 2000", failed)
		}
	})
}

func noVariables(string) string { return "" }

func TestShutdownIsBoundedWhereACallbackOfTheServiceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(newMetricPipeline("fake", nothing{}, quiet))))
		_, err := provider.Meter("test").Int64ObservableGauge("gauge", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
			<-release
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		p := &Providers{config: Config{ShutdownTimeout: time.Second}, running: []running{provider}}
		start := time.Now()
		if err := p.Shutdown(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
		close(release)
	})
}

type nothing struct{ sdkmetric.Exporter }

func (nothing) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DefaultTemporalitySelector(k)
}

func (nothing) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (nothing) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (nothing) ForceFlush(context.Context) error                          { return nil }
func (nothing) Shutdown(context.Context) error                            { return nil }

func TestFullQueueDropsAndCountsWithoutBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		exporter := &fakeExporter{export: func(context.Context, int) error { <-release; return nil }}
		p := newTestProviders(exporter, batchSettings{delay: time.Second, timeout: time.Minute, queueSize: 10, batchSize: 5}, quiet)
		start := time.Now()
		endSpans(p, 100)
		if took := time.Since(start); took != 0 {
			t.Errorf("the service waited %v", took)
		}
		if dropped := p.accounts[0].dropped.Load(); dropped != 90 {
			t.Errorf("%d spans are dropped, want 90", dropped)
		}
		close(release)
		err := p.Shutdown(context.Background())
		if loss, ok := errors.AsType[*LossError](err); !ok || loss.Spans != 90 || exporter.delivered.Load() != 10 {
			t.Errorf("got %v, and %d delivered; want 90 lost, 10 delivered", err, exporter.delivered.Load())
		}
	})
}

func TestSpansThatAreNotSampledDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipeline := newSpanPipeline("fake", &fakeExporter{export: hang}, batchSettings{delay: time.Second, timeout: time.Minute, queueSize: 10, batchSize: 5}, quiet)
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(pipeline), sdktrace.WithSampler(recordAll{sdktrace.NeverSample()}))
		p := &Providers{tracers: provider, accounts: []*account{pipeline.account}, running: []running{provider}}
		endSpans(p, 3)
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Whatever the exporter does, and however many goroutines end spans, every span is either delivered or
// lost, and the shutdown is over in time.
func TestEverySpanIsDeliveredOrLost(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return random.IntN(n) }
			exporter := &fakeExporter{export: func(ctx context.Context, _ int) error {
				switch roll(4) {
				case 0:
					return hang(ctx, 0)
				case 1:
					return errors.New("refused")
				}
				// The microsecond keeps this from ending in the same instant as the shutdown's time.
				select {
				case <-time.After(time.Duration(roll(2000))*time.Millisecond + time.Microsecond):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}}
			queue := 1 + roll(40)
			p := newTestProviders(exporter, batchSettings{
				delay: time.Duration(1+roll(3000)) * time.Millisecond, timeout: time.Duration(1+roll(10)) * time.Second,
				queueSize: queue, batchSize: 1 + roll(queue),
			}, quiet)
			ended := int64(0)
			var services sync.WaitGroup
			for range 1 + roll(4) {
				n := roll(100)
				ended += int64(n)
				services.Go(func() {
					for range n {
						endSpans(p, 1)
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
				lost = loss.Spans
			}
			if delivered := p.accounts[0].delivered.Load(); lost+delivered != ended {
				t.Errorf("seed %d: %d delivered + %d lost, want %d", seed, delivered, lost, ended)
			}
			synctest.Wait()
			account := p.accounts[0]
			if account.failed.Load()+account.dropped.Load()+exporter.delivered.Load() != ended || account.pending.Load() != 0 {
				t.Errorf("seed %d: %d failed + %d dropped + %d delivered, %d pending; want %d in all",
					seed, account.failed.Load(), account.dropped.Load(), exporter.delivered.Load(), account.pending.Load(), ended)
			}
		})
	}
}

func TestFailuresAreLoggedOnceAMinuteAndTheirEndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&lines, nil))
		var broken atomic.Bool
		broken.Store(true)
		exporter := &fakeExporter{export: func(context.Context, int) error {
			if broken.Load() {
				return errors.New("401: token=hush is unknown")
			}
			return nil
		}}
		p := newTestProviders(exporter, batchSettings{delay: 5 * time.Second, timeout: time.Minute, queueSize: 10, batchSize: 5}, logger)
		for range 6 * 60 / 5 {
			endSpans(p, 1)
			time.Sleep(5 * time.Second)
		}
		broken.Store(false)
		endSpans(p, 1)
		time.Sleep(10 * time.Second)
		err := p.Shutdown(context.Background())

		text := lines.String()
		if n := strings.Count(text, "telemetry failed"); n < 5 || n > 7 {
			t.Errorf("%d lines about failures in six minutes, want about 6", n)
		}
		if n := strings.Count(text, "telemetry works again"); n != 1 {
			t.Errorf("%d lines about the end of the failures, want 1", n)
		}
		for _, want := range []string{"level=WARN", "signal=traces", "exporter=fake", "lost=1", "failures_not_logged="} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is missing in\n%s", want, text)
			}
		}
		if strings.Contains(text, "hush") || strings.Contains(err.Error(), "hush") {
			t.Errorf("the secret is shown in\n%s%v", text, err)
		}
	})
}

func TestARefusedConnectionIsTemporary(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	client := (&Providers{}).httpClient(otlpSettings{timeout: time.Minute})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+listener.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	if failure, ok := errors.AsType[*url.Error](err); !ok || !failure.Temporary() {
		t.Errorf("got %v, which the exporter would not retry", err)
	}
}
