package httpclient

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/backend-platform/sdk/internal/httpconv"
)

// metrics are the client's instruments. Their attribute sets are remembered by each host: making them
// anew costs ten allocations a call. An instrument without an SDK is not enabled, and costs no look-up.
type metrics struct {
	duration     metric.Float64Histogram
	requestSize  metric.Int64Histogram
	responseSize metric.Int64Histogram
	active       metric.Int64UpDownCounter
	connections  metric.Int64UpDownCounter
	connectionOf metric.Float64Histogram
}

// sizeBuckets are bytes, from a short document to a large file: those of httpserver. The conventions
// advise none.
var sizeBuckets = []float64{0, 128, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// connectionBuckets are seconds: .NET's for the same metric.
var connectionBuckets = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}

func newMetrics(provider metric.MeterProvider) (m metrics, err error) {
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	meter := provider.Meter(scopeName, metric.WithInstrumentationVersion(buildinfo.Version(moduleName)))
	var faults [6]error
	m.duration, faults[0] = meter.Float64Histogram(httpconv.ClientRequestDuration, metric.WithUnit("s"),
		metric.WithDescription("Duration of HTTP client requests."),
		metric.WithExplicitBucketBoundaries(httpconv.DurationBuckets()...))
	m.requestSize, faults[1] = meter.Int64Histogram(httpconv.ClientRequestBodySize, metric.WithUnit("By"),
		metric.WithDescription("Size of HTTP client request bodies."), metric.WithExplicitBucketBoundaries(sizeBuckets...))
	m.responseSize, faults[2] = meter.Int64Histogram(httpconv.ClientResponseBodySize, metric.WithUnit("By"),
		metric.WithDescription("Size of HTTP client response bodies."), metric.WithExplicitBucketBoundaries(sizeBuckets...))
	m.active, faults[3] = meter.Int64UpDownCounter("http.client.active_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Number of active HTTP requests."))
	m.connections, faults[4] = meter.Int64UpDownCounter("http.client.open_connections", metric.WithUnit("{connection}"),
		metric.WithDescription("Number of outbound HTTP connections that are open."))
	m.connectionOf, faults[5] = meter.Float64Histogram("http.client.connection.duration", metric.WithUnit("s"),
		metric.WithDescription("The duration of successfully established outbound HTTP connections."),
		metric.WithExplicitBucketBoundaries(connectionBuckets...))
	return m, errors.Join(faults[:]...)
}

// began counts an attempt as active; the call's settled counts it off.
func (c *call) began(ctx context.Context) {
	if m := &c.transport.telemetry.metrics; m.active.Enabled(ctx) {
		c.active = c.host.labels(series{kind: activeSeries, method: httpconv.Method(c.original.Method), route: c.overrides.Route})
		m.active.Add(ctx, 1, c.active.add...)
	}
}

// settled ends the attempt that began, if any: it has failed, or its response is read or closed.
func (c *call) settled() {
	if c.active != nil {
		c.transport.telemetry.metrics.active.Add(c.original.Context(), -1, c.active.add...)
		c.active = nil
	}
	if c.unsized != nil {
		c.transport.telemetry.metrics.responseSize.Record(c.original.Context(), c.body.read.Load(), c.unsized.record...)
		c.unsized = nil
	}
}

// measure records an attempt whose end is known, as far as its response's headers tell. What they do
// not tell, the length of a body in chunks, is recorded when the body is read or closed.
func (c *call) measure(ctx context.Context, outcome series, length int64, took time.Duration) {
	m := &c.transport.telemetry.metrics
	if !m.duration.Enabled(ctx) && !m.requestSize.Enabled(ctx) && !m.responseSize.Enabled(ctx) {
		return
	}
	of := c.host.labels(outcome)
	m.duration.Record(ctx, took.Seconds(), of.record...)
	if c.sent != nil {
		size := c.original.ContentLength
		if size <= 0 {
			size = c.sent.read.Load()
		}
		m.requestSize.Record(ctx, size, of.record...)
	}
	switch {
	case length > 0:
		m.responseSize.Record(ctx, length, of.record...)
	case length < 0:
		c.unsized = of
	}
}

// labels are one set of attributes, as the instruments want it.
type labels struct {
	record []metric.RecordOption
	add    []metric.AddOption
}

func newLabels(attrs ...attribute.KeyValue) *labels {
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	return &labels{[]metric.RecordOption{set}, []metric.AddOption{set}}
}

// series identifies one metric series of a host.
type series struct {
	kind         seriesKind
	method       string
	route        string
	status       int         // zero: no response
	code         errors.Code // of an attempt without response
	major, minor int         // of the protocol
}

type seriesKind uint8

const (
	endedSeries  seriesKind = iota // of an attempt whose end is known
	activeSeries                   // of one that has just begun
)

// result returns the attributes that are known at the attempt's end.
func (s series) result() []attribute.KeyValue {
	switch {
	case s.kind == activeSeries:
		return nil
	case s.status == 0:
		return []attribute.KeyValue{httpconv.ErrorType.String(s.code.String())}
	}
	attrs := make([]attribute.KeyValue, 0, 3)
	attrs = append(attrs, httpconv.ResponseStatusCode.Int(s.status))
	if s.status >= 400 {
		attrs = append(attrs, httpconv.ErrorType.String(strconv.Itoa(s.status)))
	}
	if s.major > 0 {
		attrs = append(attrs, httpconv.ProtocolVersion.String(httpconv.Version(s.major, s.minor)))
	}
	return attrs
}

// labels returns those of a series.
func (h *host) labels(s series) *labels {
	h.mu.RLock()
	known := h.series[s]
	h.mu.RUnlock()
	if known != nil {
		return known
	}
	known = newLabels(h.attributes(s)...)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.series == nil {
		h.series = make(map[series]*labels)
	}
	if len(h.series) < maxSeries {
		h.series[s] = known
	}
	return known
}

func (h *host) attributes(s series) []attribute.KeyValue {
	attrs := slices.Concat(s.result(), []attribute.KeyValue{
		httpconv.RequestMethod.String(s.method),
		httpconv.ServerAddress.String(h.address),
		httpconv.ServerPort.Int(h.port),
		httpconv.URLScheme.String(h.scheme),
	})
	if s.major > 0 {
		attrs = append(attrs, httpconv.NetworkProtocolName.String("http"))
	}
	if s.route != "" {
		attrs = append(attrs, httpconv.URLTemplate.String(s.route))
	}
	return attrs
}

// opened counts a connection until it is closed.
func (m *metrics) opened(ctx context.Context, conn net.Conn, address string) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || !m.connections.Enabled(ctx) && !m.connectionOf.Enabled(ctx) {
		return conn
	}
	host, port := httpconv.SplitHostPort(address)
	of := newLabels(httpconv.ServerAddress.String(host), httpconv.ServerPort.Int(port))
	m.connections.Add(ctx, 1, of.add...)
	return &connection{TCPConn: tcp, metrics: m, labels: of, since: time.Now()}
}

// A connection is counted off when it is closed. It embeds the pointer, so that files are still sent
// by the kernel.
type connection struct {
	*net.TCPConn
	metrics *metrics
	labels  *labels
	since   time.Time
	once    sync.Once
}

// Close closes the connection.
func (c *connection) Close() error {
	c.once.Do(func() {
		ctx := context.Background()
		c.metrics.connections.Add(ctx, -1, c.labels.add...)
		c.metrics.connectionOf.Record(ctx, time.Since(c.since).Seconds(), c.labels.record...)
	})
	return c.TCPConn.Close()
}
