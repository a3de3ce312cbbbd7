package httpserver

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/httpconv"
)

// sizeBuckets are the bounds in bytes of the size histograms; the conventions advise none.
var sizeBuckets = []float64{0, 128, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

type metrics struct {
	duration     metric.Float64Histogram
	requestSize  metric.Int64Histogram
	responseSize metric.Int64Histogram
	active       metric.Int64UpDownCounter

	finished cache[finishedKey, metric.RecordOption]
	running  cache[runningKey, metric.AddOption]
}

func newMetrics(provider metric.MeterProvider) (*metrics, error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scope, metric.WithInstrumentationVersion(buildinfo.Version("httpserver")))
	m := new(metrics)
	var faults [4]error
	m.duration, faults[0] = meter.Float64Histogram(httpconv.ServerRequestDuration,
		metric.WithUnit("s"), metric.WithDescription("Duration of HTTP server requests."),
		metric.WithExplicitBucketBoundaries(httpconv.DurationBuckets()...))
	m.requestSize, faults[1] = meter.Int64Histogram(httpconv.ServerRequestBodySize,
		metric.WithUnit("By"), metric.WithDescription("Size of HTTP server request bodies."),
		metric.WithExplicitBucketBoundaries(sizeBuckets...))
	m.responseSize, faults[2] = meter.Int64Histogram(httpconv.ServerResponseBodySize,
		metric.WithUnit("By"), metric.WithDescription("Size of HTTP server response bodies."),
		metric.WithExplicitBucketBoundaries(sizeBuckets...))
	m.active, faults[3] = meter.Int64UpDownCounter(httpconv.ServerActiveRequests,
		metric.WithUnit("{request}"), metric.WithDescription("Number of active HTTP server requests."))
	if err := errors.Join(faults[:]...); err != nil {
		return nil, fmt.Errorf("create HTTP server metrics: %w", err)
	}
	return m, nil
}

type runningKey struct{ method, scheme string }

func (k runningKey) option() metric.AddOption {
	return metric.WithAttributeSet(attribute.NewSet(
		httpconv.RequestMethod.String(k.method), httpconv.URLScheme.String(k.scheme)))
}

// begin counts a request in and reports whether it did, for record to count out just what it counted
// in: an SDK may be installed between the two.
func (m *metrics) begin(ctx context.Context, r *http.Request) bool {
	if !m.active.Enabled(ctx) {
		return false
	}
	m.active.Add(ctx, 1, m.running.get(runningOf(r.Method, r))...)
	return true
}

func runningOf(method string, r *http.Request) runningKey {
	return runningKey{httpconv.Method(method), schemeOf(r)}
}

// finishedKey has few values: routes are the mux's patterns, methods and codes are closed sets.
type finishedKey struct {
	method, route, scheme, fault string
	major, minor, status         int
}

func (k finishedKey) option() metric.RecordOption {
	attrs := []attribute.KeyValue{
		httpconv.RequestMethod.String(k.method),
		httpconv.URLScheme.String(k.scheme),
		httpconv.ResponseStatusCode.Int(k.status),
		httpconv.ProtocolVersion.String(httpconv.Version(k.major, k.minor)),
	}
	if k.route != "" {
		attrs = append(attrs, httpconv.Route.String(k.route))
	}
	if k.fault != "" {
		attrs = append(attrs, httpconv.ErrorType.String(k.fault))
	}
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}

// record takes the exchange as context, so that the sample can point to the span.
func (m *metrics) record(x *exchange, took time.Duration, route string, status int, fault string) {
	r := x.came
	if x.traced.counted {
		m.active.Add(x.below, -1, m.running.get(runningOf(x.method, r))...)
	}
	if !m.duration.Enabled(x.below) && !m.requestSize.Enabled(x.below) && !m.responseSize.Enabled(x.below) {
		return
	}
	options := m.finished.get(finishedKey{
		method: httpconv.Method(x.method), route: route, scheme: schemeOf(r), fault: fault,
		major: r.ProtoMajor, minor: r.ProtoMinor, status: status,
	})
	m.duration.Record(x.below, took.Seconds(), options...)
	m.requestSize.Record(x.below, x.traced.bodySize(r), options...)
	m.responseSize.Record(x.below, x.writer.bytes, options...)
}

// maxCached bounds a cache; what does not fit is built each time.
const maxCached = 2000

// cache keeps the options of metrics by their attributes, since building an attribute set costs more
// than recording a sample. Reads take no lock: a new entry makes a new map.
type cache[K interface {
	comparable
	option() V
}, V any] struct {
	entries atomic.Pointer[map[K][]V]
	mu      sync.Mutex
}

func (c *cache[K, V]) get(key K) []V {
	if entries := c.entries.Load(); entries != nil {
		if options, ok := (*entries)[key]; ok {
			return options
		}
	}
	return c.add(key)
}

func (c *cache[K, V]) add(key K) []V {
	options := []V{key.option()}
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make(map[K][]V)
	if old := c.entries.Load(); old != nil {
		if len(*old) >= maxCached {
			return options
		}
		maps.Copy(entries, *old)
	}
	entries[key] = options
	c.entries.Store(&entries)
	return options
}
