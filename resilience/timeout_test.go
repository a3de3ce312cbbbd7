package resilience_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

// untilDone is an operation that heeds its context, and says so with the given error.
func untilDone(err error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		if err == nil {
			return ctx.Err()
		}
		return err
	}
}

func TestTimeoutEndsAnOperation(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error // nil: the context's
		want errors.Code
		ours bool
	}{
		"that returns the context's error": {nil, errors.DeadlineExceeded, true},
		"that returns one without a code":  {errors.New("use of closed network connection"), errors.DeadlineExceeded, true},
		"that returns one with a code":     {errors.NotFound, errors.NotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timeout := must(resilience.NewTimeout("inventory", 2*second))(t)
				start := time.Now()
				err := timeout.Do(t.Context(), untilDone(tc.err))
				if time.Since(start) != 2*second || errors.CodeOf(err) != tc.want {
					t.Errorf("after %v: %v (%v)", time.Since(start), err, errors.CodeOf(err))
				}
				ended, ours := errors.AsType[*resilience.TimeoutError](err)
				if ours != tc.ours || ours && (ended.Limit != 2*second || ended.Name != "inventory") {
					t.Errorf("error: %#v", err)
				}
				if tc.err != nil && !errors.Is(err, tc.err) {
					t.Errorf("%v is not found in %v", tc.err, err)
				}
			})
		})
	}
}

func TestTimeoutErrorIsOneForTheStandardLibrary(t *testing.T) {
	var err error = &resilience.TimeoutError{Name: "inventory", Limit: second, Err: errors.New("cut off")}
	timeout, ok := err.(interface{ Timeout() bool })
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errors.DeadlineExceeded) || !ok || !timeout.Timeout() {
		t.Errorf("%v is not a timeout", err)
	}
	if got := err.Error(); got != "inventory: not done within 1s: cut off" {
		t.Errorf("text: %s", got)
	}
}

func TestTimeoutKeepsALateSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timeout := must(resilience.NewTimeout("inventory", second))(t)
		err := timeout.Do(t.Context(), func(context.Context) error { time.Sleep(2 * second); return nil })
		if err != nil {
			t.Errorf("error: %v", err)
		}
	})
}

func TestTimeoutDoesNotClaimTheCallersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timeout := must(resilience.NewTimeout("inventory", 2*second))(t)
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		if err := timeout.Do(ctx, untilDone(nil)); err != context.DeadlineExceeded {
			t.Errorf("the caller's deadline: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(second, cancel)
		if err := timeout.Do(ctx, untilDone(nil)); err != context.Canceled {
			t.Errorf("the caller's cancellation: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		err := timeout.Do(ctx, func(limited context.Context) error {
			<-limited.Done()
			cancel()
			return limited.Err()
		})
		if err != context.DeadlineExceeded {
			t.Errorf("the caller's cancellation, just after the limit: %v", err)
		}
	})
}

func TestNewTimeoutWantsALimit(t *testing.T) {
	for _, limit := range []time.Duration{0, -1} {
		if _, err := resilience.NewTimeout("inventory", limit); err == nil {
			t.Errorf("a limit of %v is accepted", limit)
		}
	}
	_, err := resilience.NewTimeout("", -5)
	if got, want := fmt.Sprint(err), "configure timeout \"\": name: is empty\nlimit: -5ns is not positive"; got != want {
		t.Errorf("error: %s", got)
	}
}
