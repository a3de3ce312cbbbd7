package resilience_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/backend-platform/sdk/resilience"
	"github.com/sony/gobreaker/v2"
)

func BenchmarkBreakerClosed(b *testing.B) {
	ctx := context.Background()
	b.Run("gobreaker", func(b *testing.B) {
		g := bare(nil)
		b.ReportAllocs()
		for b.Loop() {
			if done, err := g.Allow(); err == nil {
				done(nil)
			}
		}
	})
	b.Run("two steps", func(b *testing.B) {
		br := newBreaker(b, resilience.BreakerConfig{})
		b.ReportAllocs()
		for b.Loop() {
			if done, err := br.Allow(ctx); err == nil {
				done(resilience.Success)
			}
		}
	})
	b.Run("Do", func(b *testing.B) {
		br := newBreaker(b, resilience.BreakerConfig{})
		op := func(context.Context) error { return nil }
		b.ReportAllocs()
		for b.Loop() {
			_ = br.Do(ctx, op)
		}
	})
}

func BenchmarkBreakerOpen(b *testing.B) {
	ctx := context.Background()
	b.Run("gobreaker", func(b *testing.B) {
		g := bare(func(st *gobreaker.Settings) { st.Timeout = time.Hour })
		for range 20 {
			_ = bareCall(g, errFailed)
		}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = g.Allow()
		}
	})
	b.Run("two steps", func(b *testing.B) {
		br := newBreaker(b, resilience.BreakerConfig{OpenFor: time.Hour})
		open(b, br)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = br.Allow(ctx)
		}
	})
}

func BenchmarkPipeline(b *testing.B) {
	ctx := context.Background()
	op := func(context.Context) (int, error) { return 1, nil }
	b.Run("Call", func(b *testing.B) {
		p := newPipeline(b, resilience.StandardConfig{})
		b.ReportAllocs()
		for b.Loop() {
			_, _ = resilience.Call(ctx, p, op)
		}
	})
	b.Run("one WithTimeout", func(b *testing.B) { // the floor: what any attempt's limit costs
		b.ReportAllocs()
		for b.Loop() {
			limited, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, _ = op(limited)
			cancel()
		}
	})
}

func BenchmarkRegistry(b *testing.B) {
	for _, hosts := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("%d hosts", hosts), func(b *testing.B) {
			r := newRegistry(b, resilience.RegistryConfig{})
			keys := make([]string, hosts)
			for i := range keys {
				keys[i] = fmt.Sprintf("https://host-%d:443", i)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Get(keys[i%hosts])
				i++
			}
		})
	}
}
