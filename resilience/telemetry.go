package resilience

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"time"
	"weak"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// The metrics' attributes. There are no semantic conventions for retries and breakers (1.37.0); the
// names below are this package's own.
const (
	attrName        = attribute.Key("resilience.name")        // as given to New…
	attrDestination = attribute.Key("resilience.destination") // the key, in a registry
	attrOutcome     = attribute.Key("resilience.outcome")     // an Outcome
	attrVerdict     = attribute.Key("resilience.verdict")     // a Verdict
	attrResult      = attribute.Key("resilience.hedge.result")
	attrFrom        = attribute.Key("resilience.breaker.from")
	attrTo          = attribute.Key("resilience.breaker.to")
	attrErrorType   = attribute.Key("error.type") // a code
)

func meter(p metric.MeterProvider) metric.Meter {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(buildinfo.Prefix+"resilience", metric.WithInstrumentationVersion(buildinfo.Version("resilience")))
}

// orNoop keeps a meter provider's refusal from stopping a program that would run without metrics.
func orNoop[T any](instrument T, err error) func(fallback T) T {
	return func(fallback T) T {
		if err == nil {
			return instrument
		}
		otel.Handle(err)
		return fallback
	}
}

func counter(m metric.Meter, name, unit, description string) metric.Int64Counter {
	return orNoop(m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description)))(noop.Int64Counter{})
}

// labels are made once, since making them costs more than counting.
func labels(attrs ...attribute.KeyValue) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}

type retryTelemetry struct {
	name     string
	logger   *slog.Logger
	attempts metric.Int64Counter
	retries  metric.Int64Counter
	calls    metric.Int64Counter
	outcome  [Excluded + 1][]metric.AddOption
	verdict  [len(verdicts)][]metric.AddOption
}

func newRetryTelemetry(name string, cfg RetryConfig) *retryTelemetry {
	m := meter(cfg.MeterProvider)
	t := &retryTelemetry{
		name:     name,
		logger:   cfg.Logger,
		attempts: counter(m, "resilience.attempts", "{attempt}", "Attempts of calls, by outcome."),
		retries:  counter(m, "resilience.retries", "{retry}", "Attempts that were granted after a failed one, by its code."),
		calls:    counter(m, "resilience.calls", "{call}", "Calls that ended, by why they did: success, budget (it was empty), attempts (all used), …"),
	}
	for o := range t.outcome {
		t.outcome[o] = labels(attrName.String(name), attrOutcome.String(Outcome(o).String()))
	}
	for v := range t.verdict {
		t.verdict[v] = labels(attrName.String(name), attrVerdict.String(Verdict(v).String()))
	}
	return t
}

func (t *retryTelemetry) record(ctx context.Context, a Attempt, v Verdict, wait time.Duration) {
	t.attempts.Add(ctx, 1, t.outcome[Classify(ctx, a.Err)]...)
	if v != Again {
		t.ended(ctx, v)
		return
	}
	t.retries.Add(ctx, 1, labels(attrName.String(t.name), attrErrorType.String(errors.CodeOf(a.Err).String()))...)
	if l := logger(t.logger); l.Enabled(ctx, slog.LevelDebug) {
		l.LogAttrs(ctx, slog.LevelDebug, "attempt failed, trying again", slog.String("name", t.name),
			slog.Int("attempt", a.Number), slog.Duration("wait", wait), slog.Any("error", a.Err))
	}
}

func (t *retryTelemetry) ended(ctx context.Context, v Verdict) { t.calls.Add(ctx, 1, t.verdict[v]...) }

// budgetEmpty is logged once a window: it comes up once a call while a destination is down.
func (t *retryTelemetry) budgetEmpty(ctx context.Context, b *Budget) {
	if b.mayComplain() {
		logger(t.logger).LogAttrs(ctx, slog.LevelWarn, "retry budget is empty, failed calls are not retried",
			slog.String("name", t.name), slog.Any("budget", b))
	}
}

type breakerTelemetry struct {
	logger      *slog.Logger
	transitions metric.Int64Counter
	labels      []attribute.KeyValue // name the breaker
}

func newBreakerTelemetry(cfg BreakerConfig, name attribute.KeyValue) *breakerTelemetry {
	return &breakerTelemetry{
		logger: cfg.Logger,
		transitions: counter(meter(cfg.MeterProvider), "resilience.breaker.transitions", "{transition}",
			"Changes of a circuit breaker's state."),
		labels: []attribute.KeyValue{name},
	}
}

// with returns the same with one more label.
func (t *breakerTelemetry) with(label attribute.KeyValue) *breakerTelemetry {
	more := *t
	more.labels = slices.Concat(t.labels, []attribute.KeyValue{label})
	return &more
}

func (t *breakerTelemetry) changed(c Transition) {
	ctx := context.Background()
	change := t.with(attrFrom.String(c.From.String())).with(attrTo.String(c.To.String()))
	t.transitions.Add(ctx, 1, labels(change.labels...)...)
	level := slog.LevelInfo
	if c.To == Open {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("name", c.Breaker), slog.String("from", c.From.String()), slog.String("to", c.To.String())}
	if c.Calls > 0 {
		attrs = append(attrs, slog.Int("calls", c.Calls), slog.Int("failures", c.Failures))
	}
	if c.OpenFor > 0 {
		attrs = append(attrs, slog.Duration("open_for", c.OpenFor))
	}
	logger(t.logger).LogAttrs(ctx, level, "circuit breaker is "+c.To.String(), attrs...)
}

// observeBreakers reports state and rejections of the breakers that owner has, whenever metrics are
// read: a breaker that nobody calls changes from open to half-open all the same.
func observeBreakers[T any](p metric.MeterProvider, owner *T, breakers func(owner *T, report func(*Breaker))) {
	m := meter(p)
	state := gauge(m, "resilience.breaker.state", "", "State of a circuit breaker: 0 closed, 1 half-open, 2 open.")
	rejections := observableCounter(m, "resilience.breaker.rejections", "{call}", "Calls that a circuit breaker refused.")
	observe(m, owner, func(owner *T, o metric.Observer) {
		breakers(owner, func(b *Breaker) {
			set := metric.WithAttributeSet(attribute.NewSet(b.telemetry.labels...))
			o.ObserveInt64(state, int64(b.State()), set)
			o.ObserveInt64(rejections, b.rejected.Load(), set)
		})
	}, state, rejections)
}

func observeLimit(a *AdaptiveLimit, p metric.MeterProvider) {
	m := meter(p)
	limit := gauge(m, "resilience.adaptive.limit", "{call}", "Calls that an adaptive limit lets run at a time.")
	inFlight := gauge(m, "resilience.adaptive.in_flight", "{call}", "Calls that run under an adaptive limit.")
	shed := observableCounter(m, "resilience.adaptive.shed", "{call}", "Calls that an adaptive limit did not let in.")
	set := metric.WithAttributeSet(attribute.NewSet(attrName.String(a.name)))
	observe(m, a, func(a *AdaptiveLimit, o metric.Observer) {
		o.ObserveInt64(limit, a.limit.Load(), set)
		o.ObserveInt64(inFlight, a.inFlight.Load(), set)
		o.ObserveInt64(shed, a.shed.Load(), set)
	}, limit, inFlight, shed)
}

func gauge(m metric.Meter, name, unit, description string) metric.Int64ObservableGauge {
	return orNoop(m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description)))(noop.Int64ObservableGauge{})
}

func observableCounter(m metric.Meter, name, unit, description string) metric.Int64ObservableCounter {
	return orNoop(m.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description)))(noop.Int64ObservableCounter{})
}

// observe calls report whenever metrics are read. The owner is held weakly, and its leaving ends the
// observation; report must not hold it.
func observe[T any](m metric.Meter, owner *T, report func(*T, metric.Observer), instruments ...metric.Observable) {
	weakly := weak.Make(owner)
	callback := func(_ context.Context, o metric.Observer) error {
		if owner := weakly.Value(); owner != nil {
			report(owner, o)
		}
		return nil
	}
	registration, err := m.RegisterCallback(callback, instruments...)
	if err != nil {
		otel.Handle(err)
		return
	}
	runtime.AddCleanup(owner, func(r metric.Registration) {
		if err := r.Unregister(); err != nil {
			otel.Handle(err)
		}
	}, registration)
}

// queueTelemetry is that of a policy that lets calls wait.
type queueTelemetry struct {
	refusalTelemetry
	queue  metric.Float64Histogram
	record []metric.RecordOption
}

// queueBounds are seconds, around the default MaxWait of one.
var queueBounds = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

func newQueueTelemetry(kind, name string, p metric.MeterProvider) *queueTelemetry {
	return &queueTelemetry{
		refusalTelemetry: *newRefusalTelemetry(kind, name, p),
		queue: orNoop(meter(p).Float64Histogram("resilience."+kind+".queue.duration", metric.WithUnit("s"),
			metric.WithDescription("Time that calls waited for their turn; calls that had it at once are not counted."),
			metric.WithExplicitBucketBoundaries(queueBounds...)))(noop.Float64Histogram{}),
		record: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrName.String(name)))},
	}
}

func (t *queueTelemetry) waited(ctx context.Context, d time.Duration) {
	t.queue.Record(ctx, d.Seconds(), t.record...)
}

// refusalTelemetry is that of a policy that refuses calls.
type refusalTelemetry struct {
	rejections metric.Int64Counter
	add        []metric.AddOption
}

func newRefusalTelemetry(kind, name string, p metric.MeterProvider) *refusalTelemetry {
	return &refusalTelemetry{
		rejections: counter(meter(p), "resilience."+kind+".rejections", "{call}", "Calls that were refused."),
		add:        labels(attrName.String(name)),
	}
}

func (t *refusalTelemetry) rejected(ctx context.Context) { t.rejections.Add(ctx, 1, t.add...) }

// What becomes of a hedge.
const (
	hedgeWon = iota
	hedgeLost
	hedgeRefused // by the budget
)

type hedgeTelemetry struct {
	hedges metric.Int64Counter
	result [hedgeRefused + 1][]metric.AddOption
}

func newHedgeTelemetry(name string, p metric.MeterProvider) *hedgeTelemetry {
	t := &hedgeTelemetry{hedges: counter(meter(p), "resilience.hedges", "{attempt}", "Attempts that were due beside a slow one, by what came of them: won, lost, refused (by the budget).")}
	for result, text := range [...]string{"won", "lost", "refused"} {
		t.result[result] = labels(attrName.String(name), attrResult.String(text))
	}
	return t
}

func (t *hedgeTelemetry) made(ctx context.Context, result int) {
	t.hedges.Add(ctx, 1, t.result[result]...)
}

type fallbackTelemetry struct {
	name      string
	logger    *slog.Logger
	fallbacks metric.Int64Counter
}

func newFallbackTelemetry(name string, cfg FallbackConfig) *fallbackTelemetry {
	return &fallbackTelemetry{name, cfg.Logger,
		counter(meter(cfg.MeterProvider), "resilience.fallbacks", "{call}", "Calls that were answered by a fallback, by the code of their error.")}
}

func (t *fallbackTelemetry) used(ctx context.Context, err error) {
	t.fallbacks.Add(ctx, 1, labels(attrName.String(t.name), attrErrorType.String(errors.CodeOf(err).String()))...)
	if l := logger(t.logger); l.Enabled(ctx, slog.LevelDebug) {
		l.LogAttrs(ctx, slog.LevelDebug, "call failed, falling back", slog.String("name", t.name), slog.Any("error", err))
	}
}
