package prometheus

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// How a scrape is bounded. Scrapes that come while one is under way share its result, so that the
// callbacks of the metrics run once.
const (
	maxScrapes    = 10
	scrapeTimeout = 10 * time.Second // Prometheus' own default
)

// Config is what may be said about an endpoint. Its zero value is right for most services.
type Config struct {
	// Logger gets the faults of scrapes, at most one line a minute. Nil: slog.Default() as it is at the
	// time of the fault.
	Logger *slog.Logger
}

// A Handler is the reader of a service's metrics and the HTTP handler that shows them. It is safe for
// concurrent use and need not be closed.
//
// It answers 503 where ten scrapes are under way, or where one takes 10 s because a callback of a metric
// does not come back; the goroutines of at most ten scrapes then wait for that callback.
type Handler struct {
	sdkmetric.Reader

	handler http.Handler
}

// New returns a handler that has to be given, as a reader, to the one set-up whose metrics it shows.
// Until then it shows nothing. The error is one of the exporter.
func New(cfg Config) (*Handler, error) {
	registry := prometheus.NewRegistry() // not the global one, to which any library may have added anything
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return nil, fmt.Errorf("create the exporter for Prometheus: %w", err)
	}
	return &Handler{
		Reader: exporter,
		handler: promhttp.HandlerFor(readable{registry}, promhttp.HandlerOpts{
			ErrorLog:            &faultLog{logger: cfg.Logger},
			ErrorHandling:       promhttp.ContinueOnError, // one bad series must not blind a service
			MaxRequestsInFlight: maxScrapes,
			Timeout:             scrapeTimeout,
			CoalesceGather:      true,
			EnableOpenMetrics:   true,
		}),
	}, nil
}

// readable renames the label le of histograms, which is that of their buckets: a line that has it twice
// makes Prometheus refuse the whole scrape.
type readable struct{ prometheus.Gatherer }

func (r readable) Gather() ([]*dto.MetricFamily, error) {
	families, err := r.Gatherer.Gather()
	for _, family := range families {
		if family.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "le" {
					label.Name = new("exported_le") // as Prometheus itself does with labels that collide
				}
			}
		}
	}
	return families, err
}

// ServeHTTP answers a scrape.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// A faultLog logs at most one fault a minute: a series that cannot be shown cannot be shown in any scrape.
type faultLog struct {
	logger *slog.Logger

	mu   sync.Mutex
	last time.Time
}

// Println takes a fault from promhttp.
func (l *faultLog) Println(values ...any) {
	l.mu.Lock()
	due := l.last.IsZero() || time.Since(l.last) >= time.Minute
	if due {
		l.last = time.Now()
	}
	l.mu.Unlock()
	if !due {
		return
	}
	logger := l.logger
	if logger == nil {
		logger = slog.Default()
	}
	const limit = 1024
	text := fmt.Sprint(values...)
	logger.Warn("scrape of metrics is not complete", "error", text[:min(limit, len(text))])
}
