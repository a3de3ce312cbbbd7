package resilience_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func newBulkhead(t testing.TB, cfg resilience.BulkheadConfig) *resilience.Bulkhead {
	t.Helper()
	return must(resilience.NewBulkhead("inventory", cfg))(t)
}

// take takes a place that is there.
func take(t testing.TB, b *resilience.Bulkhead) (release func()) {
	t.Helper()
	release, err := b.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestBulkheadRefusesAtOnceWhenTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 2, MaxQueue: -1})
		release := take(t, b)
		take(t, b)
		start := time.Now()
		_, err := b.Acquire(t.Context())
		full, ok := errors.AsType[*resilience.FullError](err)
		if !ok || full.Bulkhead != "inventory" || full.Waited != 0 || time.Since(start) != 0 {
			t.Errorf("error after %v: %v", time.Since(start), err)
		}
		if errors.CodeOf(err) != errors.Unavailable || !errors.Is(err, resilience.ErrBulkheadFull) || !errors.Is(err, errors.Unavailable) {
			t.Errorf("code %v of %v", errors.CodeOf(err), err)
		}
		release()
		take(t, b)
	})
}

func TestBulkheadWaitsNoLongerThanTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 1})
		take(t, b)
		start := time.Now()
		err := b.Do(t.Context(), func(context.Context) error { t.Error("called"); return nil })
		full, ok := errors.AsType[*resilience.FullError](err)
		if !ok || full.Waited != second || time.Since(start) != second {
			t.Errorf("error after %v: %v", time.Since(start), err)
		}
		if b.Queued() != 0 || b.Running() != 1 {
			t.Errorf("%d queued, %d running", b.Queued(), b.Running())
		}
	})
}

func TestBulkheadWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 1, MaxWait: -1})
		take(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		_, err := b.Acquire(ctx)
		if errors.CodeOf(err) != errors.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("error: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), second)
		defer cancel()
		if _, err = b.Acquire(ctx); errors.CodeOf(err) != errors.DeadlineExceeded {
			t.Errorf("error: %v", err)
		}
		<-ctx.Done()
		if _, err = newBulkhead(t, resilience.BulkheadConfig{}).Acquire(ctx); errors.CodeOf(err) != errors.DeadlineExceeded {
			t.Errorf("a place is free, but the context is done: %v", err)
		}
	})
}

func TestBulkheadServesWhoWaitsLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 1, MaxWait: -1})
		release := take(t, b)
		var got []int
		var wg sync.WaitGroup
		for n := range 5 {
			wg.Go(func() {
				_ = b.Do(t.Context(), func(context.Context) error { got = append(got, n); return nil })
			})
			synctest.Wait()
		}
		if b.Queued() != 5 {
			t.Errorf("%d queued", b.Queued())
		}
		release()
		wg.Wait()
		if diff := cmp.Diff([]int{0, 1, 2, 3, 4}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBulkheadReleaseCountsOnce(t *testing.T) {
	b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 2})
	release := take(t, b)
	take(t, b)
	for range 5 {
		release()
	}
	if got := b.Running(); got != 1 {
		t.Errorf("%d running, want 1", got)
	}
}

func TestBulkheadDoGivesThePlaceBackAfterAPanic(t *testing.T) {
	b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: 1})
	func() {
		defer func() { _ = recover() }()
		_ = b.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if got := b.Running(); got != 0 {
		t.Errorf("%d running", got)
	}
}

func TestBulkheadWithoutABoundLetsEverythingIn(t *testing.T) {
	b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: -1})
	for range 5000 {
		take(t, b)
	}
	take(t, b)()
}

func TestBulkheadHoldsItsBoundsUnderRandomUse(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			limit, queue := 1+rng.IntN(5), 1+rng.IntN(5)
			b := newBulkhead(t, resilience.BulkheadConfig{MaxConcurrent: limit, MaxQueue: queue, MaxWait: 50 * time.Millisecond})
			var running, done, refused atomic.Int64
			var wg sync.WaitGroup
			for range 200 {
				pause, work := time.Duration(rng.IntN(1000))*time.Millisecond, time.Duration(rng.IntN(40))*time.Millisecond
				wg.Go(func() {
					time.Sleep(pause)
					start := time.Now()
					err := b.Do(t.Context(), func(context.Context) error {
						if now := running.Add(1); now > int64(limit) {
							t.Errorf("seed %d: %d of %d running", seed, now, limit)
						}
						time.Sleep(work)
						running.Add(-1)
						return nil
					})
					switch {
					case err == nil:
						done.Add(1)
					case errors.Is(err, resilience.ErrBulkheadFull) && time.Since(start) <= 50*time.Millisecond:
						refused.Add(1)
					default:
						t.Errorf("seed %d: %v after %v", seed, err, time.Since(start))
					}
				})
			}
			wg.Wait()
			if done.Load()+refused.Load() != 200 || done.Load() == 0 || b.Running() != 0 || b.Queued() != 0 {
				t.Errorf("seed %d: %d done, %d refused, %d running, %d queued", seed, done.Load(), refused.Load(), b.Running(), b.Queued())
			}
		})
	}
}
