package resilience_test

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func Example() {
	ctx := context.Background()

	// One pipeline for all calls to a destination, made when the program starts.
	p, err := resilience.Standard("inventory", resilience.StandardConfig{})
	if err != nil {
		log.Fatal(err)
	}

	attempts := 0
	stock, err := resilience.Call(ctx, p, func(ctx context.Context) (int, error) {
		if attempts++; attempts == 1 {
			return 0, errors.Unavailable.New("Inventory is starting.")
		}
		return 7, nil
	})
	fmt.Println(stock, err, "after", attempts, "attempts")
	// Output: 7 <nil> after 2 attempts
}

func ExampleNewRetry() {
	retry, err := resilience.NewRetry("orders", resilience.RetryConfig{
		Attempts:       5,
		Backoff:        resilience.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond},
		WholeOperation: true, // each attempt reads the order again
	})
	if err != nil {
		log.Fatal(err)
	}
	err = retry.Do(context.Background(), func(context.Context) error {
		return errors.Aborted.New("Somebody else changed the order.")
	})
	fmt.Println(err)
	fmt.Println("exhausted:", errors.Exhausted(err))
	// Output:
	// orders: after 5 attempts: aborted: Somebody else changed the order.
	// exhausted: true
}

func ExampleBreaker_Allow() {
	breaker, err := resilience.NewBreaker("warehouse", resilience.BreakerConfig{MinCalls: 2})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 3 {
		done, err := breaker.Allow(ctx)
		if err != nil {
			fmt.Println(err, "- code", errors.CodeOf(err), "- wait:", errors.RetryAfter(err) > 0)
			return
		}
		done(resilience.Classify(ctx, context.DeadlineExceeded)) // report how the call ended
	}
	// Output: circuit breaker "warehouse" is open - code unavailable - wait: true
}

func ExamplePlanner() {
	planner, err := resilience.NewPlanner("inventory", resilience.RetryConfig{
		Backoff: resilience.Backoff{Jitter: -1},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for n, err := range []error{
		errors.Unavailable.New("").WithRetryAfter(3 * time.Second),
		errors.Unavailable,
		errors.NotFound,
	} {
		wait, verdict := planner.Next(ctx, resilience.Attempt{Number: n + 1, Err: err})
		fmt.Println(verdict, wait)
	}
	// Output:
	// again 3s
	// again 200ms
	// final 0s
}

func ExampleChain() {
	timeout, err := resilience.NewTimeout("report", time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	bulkhead, err := resilience.NewBulkhead("report", resilience.BulkheadConfig{MaxConcurrent: 1, MaxQueue: -1})
	if err != nil {
		log.Fatal(err)
	}
	reports := resilience.Chain(timeout, bulkhead)

	ctx := context.Background()
	err = reports.Do(ctx, func(ctx context.Context) error {
		return reports.Do(ctx, func(context.Context) error { return nil }) // a second at the same time
	})
	fmt.Println(err)
	// Output: bulkhead "report" is full, and so is its queue
}

// A read that is slow now and then gets a second attempt beside it; the first answer counts.
func ExampleNewHedge() {
	hedge, err := resilience.NewHedge("catalogue", resilience.HedgeConfig{Idempotent: true, Delay: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	var attempts atomic.Int64
	price, err := resilience.Call(context.Background(), hedge, func(ctx context.Context) (int, error) {
		if attempts.Add(1) == 1 {
			<-ctx.Done() // a replica that hangs; it is cancelled when the other has answered
			return 0, ctx.Err()
		}
		return 499, nil
	})
	fmt.Println(price, err)
	// Output: 499 <nil>
}

func ExampleNewRateLimit() {
	limit, err := resilience.NewRateLimit("vendor", resilience.RateLimitConfig{PerSecond: 0.1, MaxWait: -1})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		err := limit.Do(context.Background(), func(context.Context) error { return nil })
		fmt.Println(err, "- wait:", errors.RetryAfter(err).Round(time.Second))
	}
	// Output:
	// <nil> - wait: 0s
	// rate limit "vendor" is reached - wait: 10s
}

// A destination that says that it is overloaded is called less often, without waiting for its answer.
func ExampleNewThrottle() {
	throttle, err := resilience.NewThrottle("search", resilience.ThrottleConfig{})
	if err != nil {
		log.Fatal(err)
	}
	for range 20 {
		_ = throttle.Do(context.Background(), func(context.Context) error { return errors.ResourceExhausted })
	}
	fmt.Printf("of the next calls %.0f %% are not made\n", 100*throttle.Refusing())
	// Output: of the next calls 90 % are not made
}

func ExampleCallOr() {
	p, err := resilience.Standard("prices", resilience.StandardConfig{Retry: resilience.RetryConfig{Attempts: -1}})
	if err != nil {
		log.Fatal(err)
	}
	fallback, err := resilience.NewFallback("prices", resilience.FallbackConfig{})
	if err != nil {
		log.Fatal(err)
	}
	price, err := resilience.CallOr(context.Background(), p, fallback,
		func(context.Context) (string, error) { return "", errors.Unavailable },
		func(context.Context, error) (string, error) { return "4.99, as of yesterday", nil })
	fmt.Println(price, err)
	// Output: 4.99, as of yesterday <nil>
}

func ExampleFallback_To() {
	fallback, err := resilience.NewFallback("audit", resilience.FallbackConfig{})
	if err != nil {
		log.Fatal(err)
	}
	retry, err := resilience.NewRetry("audit", resilience.RetryConfig{Attempts: -1})
	if err != nil {
		log.Fatal(err)
	}
	audited := resilience.Chain(fallback.To(func(_ context.Context, err error) error {
		fmt.Println("kept for later:", err)
		return nil
	}), retry)
	err = audited.Do(context.Background(), func(context.Context) error { return errors.Unavailable })
	fmt.Println(err)
	// Output:
	// kept for later: unavailable
	// <nil>
}

// A server that admits requests by an adaptive limit answers the others at once, so that their callers
// can go elsewhere while there is time.
func ExampleAdaptiveLimit_TryAcquire() {
	limit, err := resilience.NewAdaptiveLimit("orders", resilience.AdaptiveConfig{Max: 1})
	if err != nil {
		log.Fatal(err)
	}
	serve := func(handle func()) {
		permit, ok := limit.TryAcquire()
		if !ok {
			fmt.Println("503 Service Unavailable")
			return
		}
		defer permit.Release(resilience.Success) // what is known of the answer
		handle()
	}
	serve(func() {
		serve(func() {}) // a second request at the same time
		fmt.Println("200 OK")
	})
	// Output:
	// 503 Service Unavailable
	// 200 OK
}

func ExampleRegistry() {
	registry, err := resilience.NewRegistry("client", resilience.RegistryConfig{Max: 100})
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"https://a.example.com", "https://b.example.com", "https://a.example.com"} {
		destination := registry.Get(host)
		destination.Budget.Request()
	}
	for destination := range registry.All() {
		fmt.Println(destination.Key, destination.Breaker.State())
	}
	// Output:
	// https://a.example.com closed
	// https://b.example.com closed
}

func ExampleBackoff() {
	backoff := resilience.Backoff{Base: time.Second, Max: time.Minute, Jitter: -1}
	for n := 1; n <= 8; n++ {
		fmt.Print(backoff.Wait(n), " ")
	}
	// Output: 1s 2s 4s 8s 16s 32s 1m0s 1m0s
}
