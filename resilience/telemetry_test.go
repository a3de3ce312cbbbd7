package resilience_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/policy"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// collect returns every point as "name{attributes} value", sorted.
func collect(t testing.TB, reader *sdkmetric.ManualReader) []string {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	points := []string{}
	add := func(name string, set attribute.Set, value any) {
		points = append(points, fmt.Sprintf("%s{%s} %v", name, set.Encoded(attribute.DefaultEncoder()), value))
	}
	for _, scope := range rm.ScopeMetrics {
		if scope.Scope.Name != "github.com/backend-platform/sdk/resilience" {
			t.Errorf("scope %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, fmt.Sprintf("%d in %vs", p.Count, p.Sum))
				}
			}
		}
	}
	slices.Sort(points)
	return points
}

func newMeter() (*sdkmetric.MeterProvider, *sdkmetric.ManualReader) {
	reader := sdkmetric.NewManualReader()
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), reader
}

func TestMetricsOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		retry := newRetry(t, resilience.RetryConfig{
			MeterProvider: provider,
			Budget:        resilience.BudgetConfig{MinPerSecond: 0.3},
		})
		unavailable := repeat(errors.Unavailable, 3)
		_ = retry.Do(t.Context(), returns())
		_ = retry.Do(t.Context(), returns(throttled))
		_ = retry.Do(t.Context(), returns(unavailable...))
		_ = retry.Do(t.Context(), returns(unavailable...)) // the budget is empty
		_ = retry.Do(t.Context(), returns(errors.NotFound))
		want := []string{
			"resilience.attempts{resilience.name=inventory,resilience.outcome=excluded} 1",
			"resilience.attempts{resilience.name=inventory,resilience.outcome=failure} 4",
			"resilience.attempts{resilience.name=inventory,resilience.outcome=success} 3",
			"resilience.calls{resilience.name=inventory,resilience.verdict=attempts} 1",
			"resilience.calls{resilience.name=inventory,resilience.verdict=budget} 1",
			"resilience.calls{resilience.name=inventory,resilience.verdict=final} 1",
			"resilience.calls{resilience.name=inventory,resilience.verdict=success} 2",
			"resilience.retries{error.type=resource_exhausted,resilience.name=inventory} 1",
			"resilience.retries{error.type=unavailable,resilience.name=inventory} 2",
		}
		if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMetricsOfACallWhoseCallerLeavesDuringAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		retry := newRetry(t, resilience.RetryConfig{MeterProvider: provider})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_ = retry.Do(ctx, returns(errors.Unavailable))
		want := "resilience.calls{resilience.name=inventory,resilience.verdict=canceled} 1"
		if got := collect(t, reader); !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	})
}

func TestMetricsOfABreakerAreRightWithoutTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		cfg := steady
		cfg.MeterProvider = provider
		b := newBreaker(t, cfg)
		open(t, b)
		call(t, b, resilience.Success)
		call(t, b, resilience.Success)
		transition := "resilience.breaker.transitions{resilience.breaker.from=closed,resilience.breaker.to=open,resilience.name=inventory} 1"
		rejections := "resilience.breaker.rejections{resilience.name=inventory} 2"
		want := []string{rejections, "resilience.breaker.state{resilience.name=inventory} 2", transition}
		if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour)
		want[1] = "resilience.breaker.state{resilience.name=inventory} 1"
		if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMetricsOfARegistryNameTheDestination(t *testing.T) {
	provider, reader := newMeter()
	r := newRegistry(t, resilience.RegistryConfig{MeterProvider: provider})
	r.Get("https://a:443")
	open(t, r.Get("https://b:443").Breaker)
	want := []string{
		"resilience.breaker.rejections{resilience.destination=https://a:443,resilience.name=client} 0",
		"resilience.breaker.rejections{resilience.destination=https://b:443,resilience.name=client} 0",
		"resilience.breaker.state{resilience.destination=https://a:443,resilience.name=client} 0",
		"resilience.breaker.state{resilience.destination=https://b:443,resilience.name=client} 2",
		"resilience.breaker.transitions{resilience.breaker.from=closed,resilience.breaker.to=open,resilience.destination=https://b:443,resilience.name=client} 1",
	}
	if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsEndWithTheirOwner(t *testing.T) {
	provider, reader := newMeter()
	kept := newBreaker(t, resilience.BreakerConfig{MeterProvider: provider})
	for range 100 {
		must(resilience.NewBreaker("dropped", resilience.BreakerConfig{MeterProvider: provider, Logger: quiet}))(t)
		newRegistry(t, resilience.RegistryConfig{MeterProvider: provider}).Get("dropped as well")
	}
	for range 10 { // each collection may find more of them unreachable
		runtime.GC()
	}
	for _, point := range collect(t, reader) {
		if strings.Contains(point, "dropped") {
			t.Errorf("still reported: %s", point)
		}
	}
	runtime.KeepAlive(kept)
}

func TestMetricsOfABulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 1, MaxQueue: 1, MeterProvider: provider})
		time.AfterFunc(second/2, take(t, b))
		take(t, b) // waits for half a second
		if _, err := b.Acquire(t.Context()); err == nil {
			t.Error("a second place was there")
		}
		want := []string{
			"resilience.bulkhead.queue.duration{resilience.name=inventory} 2 in 1.5s",
			"resilience.bulkhead.rejections{resilience.name=inventory} 1",
		}
		if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMetricsOfWhatRefusesOrFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		l := newRateLimit(t, resilience.RateLimitConfig{PerSecond: 2, Burst: 1, MeterProvider: provider})
		for range 3 { // at once, after half a second, and not at all
			ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
			defer cancel()
			if err := l.Wait(ctx); err != nil && !errors.Is(err, resilience.ErrRateLimited) {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_ = l.Wait(ctx)
		th := newThrottle(t, resilience.ThrottleConfig{MaxRefused: 1, MinCalls: 1, MeterProvider: provider})
		for range 10_000 {
			_ = th.Do(t.Context(), returns(errors.ResourceExhausted))
		}
		policy := newFallback(t, resilience.FallbackConfig{MeterProvider: provider}).To(func(context.Context, error) error { return nil })
		_ = policy.Do(t.Context(), returns(errors.Unavailable))
		got := strings.Join(collect(t, reader), "\n")
		for _, want := range []string{
			"resilience.fallbacks{error.type=unavailable,resilience.name=inventory} 1",
			"resilience.rate_limit.queue.duration{resilience.name=vendor} 2 in 1s",
			"resilience.rate_limit.rejections{resilience.name=vendor} 1",
			"resilience.throttle.rejections{resilience.name=inventory} 99",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
	})
}

func TestMetricsOfAHedge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider, reader := newMeter()
		h := newHedge(t, resilience.HedgeConfig{Delay: second, Budget: resilience.BudgetConfig{MinPerSecond: 0.2}, MeterProvider: provider})
		for _, script := range [][]attempt{{{time.Minute, nil}, {1, nil}}, {{2 * second, nil}, {time.Minute, nil}}, {{2 * second, nil}}} {
			_ = h.Do(t.Context(), (&attempts{script: script}).op)
		}
		want := []string{
			"resilience.hedges{resilience.hedge.result=lost,resilience.name=inventory} 1",
			"resilience.hedges{resilience.hedge.result=refused,resilience.name=inventory} 1",
			"resilience.hedges{resilience.hedge.result=won,resilience.name=inventory} 1",
		}
		if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFallbacksAreLoggedAtDebug(t *testing.T) {
	var buf bytes.Buffer
	f := newFallback(t, resilience.FallbackConfig{Logger: slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	_ = f.To(func(context.Context, error) error { return nil }).Do(t.Context(), returns(errors.Unavailable))
	if want := "name=inventory error=unavailable"; !strings.Contains(buf.String(), want) {
		t.Errorf("the log does not contain %q: %s", want, buf.String())
	}
}

func TestMetricsOfAnAdaptiveLimit(t *testing.T) {
	provider, reader := newMeter()
	limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 2, MeterProvider: provider}))(t)
	for range 5 {
		limit.TryAcquire()
	}
	want := []string{
		"resilience.adaptive.in_flight{resilience.name=server} 2",
		"resilience.adaptive.limit{resilience.name=server} 2",
		"resilience.adaptive.shed{resilience.name=server} 3",
	}
	if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
		t.Error(diff)
	}
	runtime.KeepAlive(limit)
}

func TestEmptyBudgetIsLoggedOnceAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		retry := must(resilience.NewRetry("inventory", resilience.RetryConfig{
			Budget: resilience.BudgetConfig{MinPerSecond: -1},
			Logger: slog.New(slog.NewTextHandler(&buf, nil)),
		}))(t)
		for range 30 { // 30 s
			_ = retry.Do(t.Context(), returns(errors.Unavailable))
			time.Sleep(second)
		}
		if got := strings.Count(buf.String(), "retry budget is empty"); got != 3 {
			t.Errorf("%d lines in 30 s, want 3:\n%s", got, buf.String())
		}
	})
}

func TestRetriesAreLoggedAtDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		retry := must(resilience.NewRetry("inventory", resilience.RetryConfig{
			Backoff: exact,
			Logger:  slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}))(t)
		_ = retry.Do(t.Context(), returns(errors.Unavailable))
		if want := "name=inventory attempt=1 wait=100ms error=unavailable"; !strings.Contains(buf.String(), want) {
			t.Errorf("the log does not contain %q: %s", want, buf.String())
		}
	})
}

func TestEffectivePoliciesAreListed(t *testing.T) {
	p := newPipeline(t, resilience.StandardConfig{Attempt: -1})
	r := newRegistry(t, resilience.RegistryConfig{})
	open(t, r.Get("https://down:443").Breaker)
	r.Get("https://up:443")
	var got []string
	for _, entry := range policy.All() {
		if entry.Name == "inventory" && entry.Kind == "pipeline" || entry.Name == "client" && entry.Kind == "registry" {
			got = append(got, entry.Kind+" "+entry.Value.String())
		}
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{
		"pipeline [total=30s bulkhead=[max_concurrent=1000 max_queue=100 max_wait=1s running=0 queued=0] retry=[attempts=3 base=100ms max=2s",
		"budget=[ratio=0.1 min_per_second=1 window=10s left=10]",
		"breaker=[failure_ratio=0.5 min_calls=20 window=10s open_for=5s probes=3 probe_timeout=10s state=closed] attempt=off",
		"registry [failure_ratio=0.5",
		"max=1024 idle=10m0s destinations=2 not_closed=[https://down:443=open]",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in:\n%s", want, all)
		}
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(r)
}
