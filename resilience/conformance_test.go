package resilience_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/retrycases"
	"github.com/backend-platform/sdk/resilience"
)

// TestRetryConforms runs the table that the HTTP client's loop runs, too.
func TestRetryConforms(t *testing.T) {
	for _, c := range retrycases.All() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				provider, reader := newMeter()
				cfg := resilience.RetryConfig{
					Attempts: c.Attempts, MaxRetryAfter: c.MaxRetryAfter, ThrottleBase: c.ThrottleBase,
					Idempotent: true, MeterProvider: provider, Budget: resilience.BudgetConfig{Ratio: -1},
				}
				if c.NoBudget {
					cfg.Budget = resilience.BudgetConfig{MinPerSecond: -1}
				}
				ctx, cancel := context.WithCancel(t.Context())
				if c.Deadline > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), c.Deadline)
				}
				defer cancel()
				if c.CanceledAfter > 0 {
					time.AfterFunc(c.CanceledAfter, cancel)
				}
				var began []time.Time
				_ = newRetry(t, cfg).Do(ctx, func(context.Context) error {
					began = append(began, time.Now())
					switch n := len(began); {
					case n < c.Number:
						return errors.Unavailable
					case n > max(c.Number, 1) || c.Code == errors.OK:
						return nil
					}
					return caseError(c)
				})
				checkCase(t, c, began, strings.Join(collect(t, reader), "\n"))
			})
		})
	}
}

func caseError(c retrycases.Case) error {
	err := error(c.Code.New("").WithRetryAfter(c.RetryAfter))
	if c.Exhausted {
		err = errors.MarkExhausted(err)
	}
	return err
}

func checkCase(t *testing.T, c retrycases.Case, began []time.Time, metrics string) {
	t.Helper()
	number, verdict := max(c.Number, 1), c.Verdict
	if verdict == "again" {
		verdict = "success" // of the attempt after it
		if len(began) != number+1 || began[number].Sub(began[number-1]) != c.Wait {
			t.Errorf("attempts began at %v, want another %v after the last", began, c.Wait)
		}
	} else if len(began) != number {
		t.Errorf("%d attempts, want %d", len(began), number)
	}
	if want := "resilience.calls{resilience.name=inventory,resilience.verdict=" + verdict + "} 1"; !strings.Contains(metrics, want) {
		t.Errorf("%s is not in\n%s", want, metrics)
	}
}
