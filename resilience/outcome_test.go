package resilience_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/resilience"
)

func TestClassifyFollowsTheTable(t *testing.T) {
	want := map[errors.Code]resilience.Outcome{
		errors.Canceled:           resilience.Failure, // nobody cancelled the context
		errors.Unknown:            resilience.Failure,
		errors.InvalidArgument:    resilience.Success,
		errors.DeadlineExceeded:   resilience.Failure,
		errors.NotFound:           resilience.Success,
		errors.AlreadyExists:      resilience.Success,
		errors.PermissionDenied:   resilience.Success,
		errors.ResourceExhausted:  resilience.Excluded,
		errors.FailedPrecondition: resilience.Success,
		errors.Aborted:            resilience.Success,
		errors.OutOfRange:         resilience.Success,
		errors.Unimplemented:      resilience.Success,
		errors.Internal:           resilience.Failure,
		errors.Unavailable:        resilience.Failure,
		errors.DataLoss:           resilience.Failure,
		errors.Unauthenticated:    resilience.Success,
	}
	for _, code := range errors.Codes() {
		for _, err := range []error{code, code.New("message"), fmt.Errorf("ask inventory: %w", code)} {
			if got := resilience.Classify(t.Context(), err); got != want[code] {
				t.Errorf("%v is a %v, want %v", err, got, want[code])
			}
		}
	}
}

func TestClassify(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		err  error
		want resilience.Outcome
	}{
		"no error":                               {t.Context(), nil, resilience.Success},
		"no error after the caller went":         {canceled, nil, resilience.Success},
		"the caller went":                        {canceled, context.Canceled, resilience.Excluded},
		"the caller went, transport says so":     {canceled, errors.New("use of closed network connection"), resilience.Excluded},
		"the caller's deadline":                  {expired, context.DeadlineExceeded, resilience.Failure},
		"cancelled for a reason of its own":      {t.Context(), context.Canceled, resilience.Failure},
		"an error without a code":                {t.Context(), errors.New("connection refused"), resilience.Failure},
		"refused by a breaker":                   {t.Context(), fmt.Errorf("ask: %w", resilience.ErrCircuitOpen), resilience.Excluded},
		"refused by a bulkhead":                  {t.Context(), &resilience.FullError{}, resilience.Excluded},
		"a number outside the table":             {t.Context(), errors.Code(99), resilience.Failure},
		"internal that wraps what is not found":  {t.Context(), errors.Internal.Wrap(errors.NotFound, ""), resilience.Failure},
		"not found that wraps what is internal":  {t.Context(), errors.NotFound.Wrap(errors.Internal, ""), resilience.Success},
		"joined: the most severe member decides": {t.Context(), errors.Join(errors.NotFound, errors.Unavailable), resilience.Failure},
	} {
		if got := resilience.Classify(tc.ctx, tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
