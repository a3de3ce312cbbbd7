package resilience_test

import (
	"bytes"
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// A station is a server with some workers and one queue, whose calls come at random and take random
// times, in virtual time: what queueing theory calls M/G/c. It admits calls by an adaptive limit.
type station struct {
	t       *testing.T
	rng     *rand.Rand
	limit   *resilience.AdaptiveLimit
	workers int
	work    func(*rand.Rand) time.Duration // of one call
	timeout time.Duration                  // of a call, from its arrival; 0: none

	busy  int
	queue []*job
	next  jobs // by when they end

	// Of the current phase.
	offered, shed, done, late int
	latency                   time.Duration // sum
}

type job struct {
	at, end time.Time
	permit  resilience.Permit
}

func newStation(t *testing.T, workers int, work func(*rand.Rand) time.Duration) *station {
	limit := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Logger: quiet}))(t)
	return &station{t: t, rng: rand.New(rand.NewPCG(1, 7)), limit: limit, workers: workers, work: work}
}

// about is a time with the spread of most services: exponential.
func about(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(rng *rand.Rand) time.Duration { return time.Duration(rng.ExpFloat64() * float64(mean)) }
}

// run offers calls at a rate a second for a while, then says how that went.
func (s *station) run(rate float64, length time.Duration) *station {
	s.offered, s.shed, s.done, s.late, s.latency = 0, 0, 0, 0, 0
	end := time.Now().Add(length)
	arrival := time.Now().Add(about(time.Duration(float64(time.Second) / rate))(s.rng))
	for {
		if len(s.next) > 0 && s.next[0].end.Before(arrival) {
			s.finish(heap.Pop(&s.next).(*job))
			continue
		}
		if arrival.After(end) {
			time.Sleep(time.Until(end))
			return s
		}
		time.Sleep(time.Until(arrival))
		s.arrive()
		arrival = arrival.Add(about(time.Duration(float64(time.Second) / rate))(s.rng))
	}
}

func (s *station) arrive() {
	s.offered++
	permit, ok := s.limit.TryAcquire()
	if !ok {
		s.shed++
		return
	}
	s.queue = append(s.queue, &job{at: time.Now(), permit: permit})
	s.start()
}

func (s *station) start() {
	for s.busy < s.workers && len(s.queue) > 0 {
		j := s.queue[0]
		s.queue = s.queue[1:]
		s.busy++
		j.end = time.Now().Add(s.work(s.rng))
		heap.Push(&s.next, j)
	}
}

func (s *station) finish(j *job) {
	time.Sleep(time.Until(j.end))
	s.busy--
	took := time.Since(j.at)
	if s.timeout > 0 && took > s.timeout {
		s.late++
		j.permit.Release(resilience.Failure)
	} else {
		s.done++
		s.latency += took
		j.permit.Release(resilience.Success)
	}
	s.start()
}

// String is what came of the phase, for messages.
func (s *station) String() string {
	return fmt.Sprintf("offered %d, shed %d, done %d in %v each, late %d; the limit is %d, %d in flight",
		s.offered, s.shed, s.done, s.mean(), s.late, s.limit.Limit(), s.limit.InFlight())
}

func (s *station) mean() time.Duration { return s.latency / time.Duration(max(s.done, 1)) }

type jobs []*job

func (h jobs) Len() int           { return len(h) }
func (h jobs) Less(i, j int) bool { return h[i].end.Before(h[j].end) }
func (h jobs) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *jobs) Push(x any)        { *h = append(*h, x.(*job)) }
func (h *jobs) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	*h = (*h)[:last]
	return j
}

func (s *station) noneShed(what string) {
	s.t.Helper()
	if s.shed > 0 {
		s.t.Errorf("%s: shed at a load that it can bear: %v", what, s)
	}
}

func TestAdaptiveLimitNeverShedsAtNormalLoad(t *testing.T) {
	for name, work := range map[string]func(*rand.Rand) time.Duration{
		"alike":  func(*rand.Rand) time.Duration { return 10 * time.Millisecond },
		"varied": about(10 * time.Millisecond),
		"mixed, some a thousand times longer": func(rng *rand.Rand) time.Duration {
			if rng.IntN(200) == 0 {
				return about(second)(rng)
			}
			return about(5 * time.Millisecond)(rng)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStation(t, 50, work) // about 5000 a second
				for _, rate := range []float64{4000, 50, 4000, 2500, 500, 4000} {
					s.run(rate, 5*second).noneShed(fmt.Sprintf("%v a second", rate))
				}
			})
		})
	}
}

func TestAdaptiveLimitKeepsThroughputAndLatencyInAnOverload(t *testing.T) {
	for _, factor := range []float64{1.2, 2, 10} {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t, 20, about(10*time.Millisecond))
			s.run(1600, 5*second)
			s.run(2000*factor, 2*second)
			if s.done < 3800 {
				t.Errorf("%v times the capacity, at first: %v", factor, s)
			}
			s.run(2000*factor, 3*second)
			s.run(2000*factor, 10*second)
			if s.done < 19_300 || s.mean() > 30*time.Millisecond {
				t.Errorf("%v times the capacity of 2000 calls of 10 ms a second: %v", factor, s)
			}
			s.run(1600, 2*second)
			s.run(1600, 10*second).noneShed("after the overload")
		})
	}
}

// https://github.com/Netflix/concurrency-limits/pull/134: a limit that grew without end.
// https://github.com/failsafe-go/failsafe-go/issues/127: an overload that became normal.
func TestAdaptiveLimitDoesNotGetUsedToAnOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 5, about(10*time.Millisecond))
		s.run(400, 5*second)
		s.run(650, 10*time.Minute)
		s.run(650, time.Minute)
		if s.mean() > 40*time.Millisecond || s.done < 29_000 {
			t.Errorf("ten minutes later: %v", s)
		}
	})
}

func TestAdaptiveLimitStartedInAnOverloadFindsOutWhatIsNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 10, about(10*time.Millisecond))
		s.run(2000, 2*time.Minute)
		s.run(2000, 10*second)
		if s.mean() > 30*time.Millisecond || s.done < 9_300 {
			t.Errorf("after two minutes of overload from the start: %v", s)
		}
	})
}

func TestAdaptiveLimitTakesALongerServiceTimeForNormal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 20, about(10*time.Millisecond))
		s.run(1600, 10*second)
		s.run(4000, 10*second) // so that the limit is near to what is needed
		s.run(1600, 10*second)
		s.workers, s.work = 200, about(100*time.Millisecond) // what is behind it has become slower
		s.run(1600, 5*second)
		s.run(1600, 30*second).noneShed("ten times slower")
	})
}

func TestAdaptiveLimitFollowsCapacityDownAndUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 50, about(10*time.Millisecond))
		s.run(4000, 10*second)
		s.workers = 10
		s.run(4000, 5*second)
		s.run(4000, 10*second)
		if s.mean() > 25*time.Millisecond || s.done < 9_500 {
			t.Errorf("a fifth of the capacity, 1000 calls of 10 ms a second: %v", s)
		}
		s.workers = 50
		s.run(4000, 2*second)
		s.run(4000, 30*second).noneShed("all of the capacity again")
	})
}

func TestAdaptiveLimitOfSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 40, about(4*second)) // 10 a second
		s.run(7, 10*time.Minute).noneShed("seven of ten")
		s.run(20, 10*time.Minute)
		s.run(20, 10*time.Minute)
		if s.mean() > 10*second || s.done < 5_500 {
			t.Errorf("twice the capacity of 10 calls of 4 s a second: %v", s)
		}
		s.run(7, 2*time.Minute)
		s.run(7, 10*time.Minute).noneShed("seven of ten again")
	})
}

// Timeouts are failures without a latency. What sheds only on latency keeps the limit where it is.
func TestAdaptiveLimitLearnsFromCallsThatTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 50, about(10*time.Millisecond))
		s.timeout = 100 * time.Millisecond
		s.run(10_000, 5*second)
		s.run(10_000, 10*second)
		if s.late > s.offered/100 || s.done < 48_000 {
			t.Errorf("twice the capacity, and calls time out after 100 ms: %v", s)
		}
	})
}

func TestAdaptiveLimitIsNotLoweredByAFewTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 50, about(10*time.Millisecond))
		s.timeout = 35 * time.Millisecond // 3 % take longer
		s.run(3000, 30*second).noneShed("with a few timeouts")
		if s.late < s.offered/50 || s.limit.Limit() != 1000 {
			t.Errorf("%v", s)
		}
	})
}

func TestAdaptiveLimitRecoversFromATotalOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t, 50, about(10*time.Millisecond))
		s.limit = must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 100, Logger: quiet}))(t)
		s.run(4000, 10*second)
		s.timeout = 1 // everything fails
		s.run(4000, 20*second)
		if got := s.limit.Limit(); got != 10 {
			t.Errorf("in an outage the limit is %d, want Min", got)
		}
		s.timeout = 0
		s.run(4000, 3*second)
		s.run(4000, 10*second).noneShed("after the outage")
	})
}

func TestAdaptiveLimitStaysWithinItsBounds(t *testing.T) {
	for _, cfg := range []resilience.AdaptiveConfig{{Min: 7, Max: 21}, {Min: 1, Max: 1}, {Min: -1, Max: 3}, {Max: 4}, {Max: -1}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStation(t, 2, about(10*time.Millisecond))
			cfg.Logger = quiet
			s.limit = must(resilience.NewAdaptiveLimit("server", cfg))(t)
			lowest, highest := max(cfg.Min, 1), cfg.Max
			switch {
			case cfg.Max < 0:
				highest = 1_000_000
			case cfg.Min == 0:
				lowest = cfg.Max
			}
			for _, rate := range []float64{20, 2000, 150, 1000, 20} {
				s.run(rate, 5*second)
				if got := s.limit.Limit(); got < lowest || got > highest || s.limit.InFlight() > highest {
					t.Errorf("%+v: %v", cfg, s)
				}
			}
		})
	}
}

// TestAdaptiveLimitAgreesWithAModel holds what is in flight, let in and shed against a plain count,
// while the limit moves as it likes.
func TestAdaptiveLimitAgreesWithAModel(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 8))
			a := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 1 + rng.IntN(40), Min: 1, Logger: quiet}))(t)
			var out []resilience.Permit
			for step := range 5000 {
				switch rng.IntN(7) {
				case 0, 1, 2:
					room := len(out) < a.Limit()
					permit, ok := a.TryAcquire()
					if ok != room {
						t.Fatalf("seed %d, step %d: let in %v with %d of %d in flight", seed, step, ok, len(out), a.Limit())
					}
					if ok {
						out = append(out, permit)
					}
				case 3, 4, 5:
					if len(out) == 0 {
						continue
					}
					i := rng.IntN(len(out))
					out[i].Release(resilience.Outcome(rng.IntN(3)))
					out[i].Release(resilience.Success) // counts for nothing
					out = append(out[:i], out[i+1:]...)
				default:
					time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				}
				if a.InFlight() != len(out) {
					t.Fatalf("seed %d, step %d: %d in flight, the model says %d", seed, step, a.InFlight(), len(out))
				}
			}
		})
	}
}

func TestAdaptiveLimitUnderConcurrentUse(t *testing.T) {
	a := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 5, Logger: quiet}))(t)
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 9))
			for range 2000 {
				permit, ok := a.TryAcquire()
				if ok {
					now := running.Add(1)
					most.Store(max(most.Load(), now))
					if now > 5 {
						t.Errorf("%d run at a time", now)
					}
					runtime.Gosched()
					running.Add(-1)
				}
				permit.Release(resilience.Outcome(rng.IntN(3)))
			}
		})
	}
	wg.Wait()
	if a.InFlight() != 0 || most.Load() == 0 {
		t.Errorf("%d in flight at the end, at most %d", a.InFlight(), most.Load())
	}
}

func TestAdaptiveLimitDo(t *testing.T) {
	a := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 1}))(t)
	err := a.Do(t.Context(), func(ctx context.Context) error {
		return a.Do(ctx, func(context.Context) error { t.Error("called"); return nil })
	})
	shed, ok := errors.AsType[*resilience.ShedError](err)
	if !ok || shed.Limit != "server" || !errors.Is(err, resilience.ErrShed) || !errors.Is(err, errors.Unavailable) || errors.CodeOf(err) != errors.Unavailable {
		t.Errorf("error: %v", err)
	}
	if got := resilience.Classify(t.Context(), err); got != resilience.Excluded {
		t.Errorf("a shed call is %v to a breaker", got)
	}
	func() {
		defer func() { _ = recover() }()
		_ = a.Do(t.Context(), func(context.Context) error { panic("boom") })
	}()
	if err := a.Do(t.Context(), returns(errors.NotFound)); err != errors.NotFound || a.InFlight() != 0 {
		t.Errorf("after a panic: %v, %d in flight", err, a.InFlight())
	}
}

func TestAdaptiveLimitDoTellsOverloadFromOtherFaults(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		err     error
		lowered bool
	}{
		{"a timeout", t.Context(), context.DeadlineExceeded, true},
		{"unavailable", t.Context(), errors.Unavailable, true},
		{"throttling", t.Context(), errors.ResourceExhausted, true},
		{"a bug", t.Context(), errors.Internal, false},
		{"no code", t.Context(), errors.New("broken"), false},
		{"an answer", t.Context(), errors.NotFound, false},
		{"a caller that left", canceled, errors.Unavailable, false},
		{"an open circuit", t.Context(), errOpen, false},
		{"nothing", t.Context(), nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Max: 2, Min: 1}))(t)
			for range 1000 {
				_ = a.Do(tc.ctx, returns(tc.err))
				time.Sleep(time.Millisecond)
			}
			if lowered := a.Limit() < 2; lowered != tc.lowered {
				t.Errorf("after %s the limit is %d", tc.name, a.Limit())
			}
		})
	}
}

func TestAdaptiveLimitSaysOnceAMinuteThatItSheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var buf bytes.Buffer
		s := newStation(t, 5, about(10*time.Millisecond))
		s.limit = must(resilience.NewAdaptiveLimit("server", resilience.AdaptiveConfig{Logger: slog.New(slog.NewTextHandler(&buf, nil))}))(t)
		s.run(300, time.Minute)
		if buf.Len() > 0 {
			t.Errorf("without an overload: %s", &buf)
		}
		s.run(1000, 150*time.Second)
		s.run(300, 5*time.Minute)
		lines := strings.Count(buf.String(), "level=WARN msg=\"adaptive limit sheds calls\" name=server shed=")
		if total := strings.Count(buf.String(), "\n"); lines != total || lines < 3 || lines > 4 {
			t.Errorf("two and a half minutes of overload gave\n%s", &buf)
		}
	})
}

func TestNewAdaptiveLimitNamesEveryFault(t *testing.T) {
	_, err := resilience.NewAdaptiveLimit("", resilience.AdaptiveConfig{Min: 9, Max: 8, Tolerance: 1})
	for _, want := range []string{"name: is empty", "Min: 9 is more than Max, 8", "Tolerance: 1 "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}
