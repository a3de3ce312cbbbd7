package httpclient_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/internal/retrycases"
	"github.com/backend-platform/sdk/resilience"
)

// TestLoopConforms runs the table that resilience's own loop runs, too.
func TestLoopConforms(t *testing.T) {
	for _, c := range retrycases.All() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runCase(t, c) })
		})
	}
}

func runCase(t *testing.T, c retrycases.Case) {
	reader := sdkmetric.NewManualReader()
	cfg := httpclient.Config{
		Timeout:       -1,
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Retry: resilience.RetryConfig{
			Attempts: c.Attempts, MaxRetryAfter: c.MaxRetryAfter, ThrottleBase: c.ThrottleBase,
			Backoff: resilience.Backoff{Jitter: -1},
		},
	}
	if c.NoBudget {
		cfg.Retry.Budget = resilience.BudgetConfig{MinPerSecond: -1}
	}
	number := max(c.Number, 1)
	var steps []httpclienttest.Step
	for range number - 1 {
		steps = append(steps, httpclienttest.Status(503))
	}
	script := httpclienttest.NewTransport(append(steps, caseStep(c), httpclienttest.Status(200))...)
	ctx, cancel := context.WithCancel(t.Context())
	if c.Deadline > 0 {
		ctx, cancel = context.WithTimeout(t.Context(), c.Deadline)
	}
	defer cancel()
	if c.CanceledAfter > 0 {
		time.AfterFunc(c.CanceledAfter, cancel)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := newClient(t, script, cfg).Do(req); err == nil {
		readAndClose(t, resp)
	}
	began, verdict := script.Requests(), c.Verdict
	if verdict == "again" {
		verdict = "success" // of the attempt after it
		if len(began) != number+1 || began[number].Time.Sub(began[number-1].Time) != c.Wait {
			t.Errorf("%d attempts, want another %v after the last", len(began), c.Wait)
		}
	} else if len(began) != number {
		t.Errorf("%d attempts, want %d", len(began), number)
	}
	if got := verdictsOf(t, reader); len(got) != 1 || got[verdict] != 1 {
		t.Errorf("verdicts %v, want one %s", got, verdict)
	}
	script.Check(t)
}

func caseStep(c retrycases.Case) httpclienttest.Step {
	if c.Code == errors.OK {
		return httpclienttest.Status(200)
	}
	step := httpclienttest.Step{Status: c.Code.HTTPStatus(), Header: http.Header{}}
	if c.RetryAfter > 0 {
		step.Header.Set("Retry-After", strconv.Itoa(int(c.RetryAfter/time.Second)))
	}
	if c.Exhausted {
		step.Header.Set("Retry-Exhausted", "1")
	}
	return step
}

// verdictsOf returns how many calls ended with each verdict.
func verdictsOf(t *testing.T, reader *sdkmetric.ManualReader) map[string]int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	found := map[string]int64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "resilience.calls" {
				for _, p := range sum.DataPoints {
					verdict, _ := p.Attributes.Value(attribute.Key("resilience.verdict"))
					found[verdict.AsString()] += p.Value
				}
			}
		}
	}
	return found
}
