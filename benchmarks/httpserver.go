package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// What each server answers: a value as JSON where the SKU is 17, and a 404 with an error in JSON elsewhere.
type (
	stock struct {
		SKU  string `json:"sku"`
		Left int    `json:"left"`
	}
	fault struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}
)

const unknownSKU = "There is no such SKU."

// telemetry is what a server reports to.
type telemetry struct {
	name    string
	sdk     bool
	tracer  trace.TracerProvider
	meter   metric.MeterProvider
	propage propagation.TextMapPropagator
}

// withoutSDK is what a program has that sets up nothing: OpenTelemetry's globals.
func withoutSDK() telemetry {
	return telemetry{"without an SDK of OpenTelemetry", false, otel.GetTracerProvider(), otel.GetMeterProvider(), otel.GetTextMapPropagator()}
}

// withSDK records every span and sample, and exports them to nowhere.
func withSDK() telemetry {
	return telemetry{
		"with OpenTelemetry's SDK, every span recorded", true,
		sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(dropSpans{}))),
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
	}
}

type dropSpans struct{}

func (dropSpans) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (dropSpans) Shutdown(context.Context) error                             { return nil }

func httpserverRows() []row {
	var rows []row
	for _, answer := range []struct{ name, sku string }{{"a value", "17"}, {"an error", "18"}} {
		for _, t := range []telemetry{withoutSDK(), withSDK()} {
			path := "/stock/" + answer.sku
			rows = append(rows, row{name: "httpserver: a handler that answers with " + answer.name + " in JSON, " + t.name, unit: "request", contenders: []contender{
				server("sdk", "zero Config, which is tracing, metrics, panics, deadline, limits, 404 and 405 in JSON; log lines are made for a logger that wants none",
					path, func() (http.Handler, error) { return ours(t, slog.DiscardHandler) }),
				server("otelhttp", "tracing and metrics alone, around the plain handler", path, func() (http.Handler, error) {
					return instrumented(t, plain()), nil
				}),
				server("net/http", "the floor: the plain handler", path, func() (http.Handler, error) { return plain(), nil }),
				server("sdk, access log", "the same as sdk, with its line for each request as JSON",
					path, func() (http.Handler, error) { return ours(t, slog.NewJSONHandler(io.Discard, nil)) }),
				server("otelhttp and by hand", "what a team puts around the plain handler to have what the SDK has: access log as JSON, panics, deadline, limits",
					path, func() (http.Handler, error) { return instrumented(t, byHand(plain())), nil }),
				server("chi", "otelhttp and chi's RequestID, Logger, Recoverer, Timeout and Throttle", path, func() (http.Handler, error) { return chiServer(t), nil }),
				server("gin", "otelgin and gin's Logger and Recovery", path, func() (http.Handler, error) { return ginServer(t), nil }),
				rpcServer(t, answer.sku),
				server("OpenTelemetry alone", otelAlone,
					path, func() (http.Handler, error) { return otelFloor(t, plain()) }),
			}, bars: serverBars(t)})
		}
	}
	return rows
}

func serverBars(t telemetry) []bar {
	if t.sdk {
		return []bar{timeWithin(0.4, "otelhttp").orWithin(1.4, "OpenTelemetry alone"), allocsWithin(26)}
	}
	return []bar{timeWithin(0.4, "otelhttp"), allocsWithin(12)}
}

const otelAlone = "the floor of tracing: the plain handler between the calls of OpenTelemetry that both make, with everything made beforehand. " +
	"With the SDK it is most of the time, and no instrumentation with these spans and metrics can be below it"

func ours(t telemetry, h slog.Handler) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /stock/{sku}", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if sku := r.PathValue("sku"); sku == "17" {
			return httpserver.WriteJSON(w, http.StatusOK, stock{sku, 3})
		}
		return errors.NotFound.New(unknownSKU)
	}))
	cfg := httpserver.Config{Logger: slog.New(h)} // without an SDK, the providers are OpenTelemetry's globals anyway
	if t.sdk {
		cfg.TracerProvider, cfg.MeterProvider, cfg.Propagator = t.tracer, t.meter, t.propage
	}
	return httpserver.NewHandler(mux, cfg)
}

func plain() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock/{sku}", func(w http.ResponseWriter, r *http.Request) { answer(w, r.PathValue("sku")) })
	return mux
}

// answer is what a careful handler without an SDK does.
func answer(w http.ResponseWriter, sku string) {
	status, contentType, value := http.StatusOK, "application/json", any(stock{sku, 3})
	if sku != "17" {
		status, contentType = http.StatusNotFound, "application/problem+json"
		value = fault{http.StatusText(status), status, unknownSKU, "not_found"}
	}
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// instrumented is otelhttp as its documentation shows it: a handler around the whole mux.
func instrumented(t telemetry, h http.Handler) http.Handler {
	return otelhttp.NewHandler(h, "stock",
		otelhttp.WithTracerProvider(t.tracer), otelhttp.WithMeterProvider(t.meter), otelhttp.WithPropagators(t.propage))
}

// otelFloor makes the calls for the attributes and samples of a request, and computes none of them.
func otelFloor(t telemetry, next http.Handler) (http.Handler, error) {
	meter := t.meter.Meter("floor")
	active, err1 := meter.Int64UpDownCounter("http.server.active_requests")
	duration, err2 := meter.Float64Histogram("http.server.request.duration")
	requestSize, err3 := meter.Int64Histogram("http.server.request.body.size")
	responseSize, err4 := meter.Int64Histogram("http.server.response.body.size")
	tracer := t.tracer.Tracer("floor")
	text := func(keys ...string) (kvs []attribute.KeyValue) {
		for _, key := range keys {
			kvs = append(kvs, attribute.String(key, "value"))
		}
		return kvs
	}
	start := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(text("http.request.method", "url.scheme",
		"url.path", "server.address", "server.port", "client.address", "network.peer.address", "network.peer.port", "network.protocol.version",
		"user_agent.original")...)}
	end := text("http.response.status_code", "http.response.body.size", "http.route")
	sample := metric.WithAttributeSet(attribute.NewSet(text("http.request.method", "url.scheme", "http.response.status_code",
		"network.protocol.version", "http.route")...))
	records, adds := []metric.RecordOption{sample}, []metric.AddOption{sample}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		ctx := t.propage.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		active.Add(ctx, 1, adds...)
		ctx, span := tracer.Start(ctx, "GET", start...)
		next.ServeHTTP(w, r.WithContext(ctx))
		active.Add(ctx, -1, adds...)
		duration.Record(ctx, time.Since(begin).Seconds(), records...)
		requestSize.Record(ctx, 0, records...)
		responseSize.Record(ctx, 17, records...)
		span.SetName("GET /stock/{sku}")
		span.SetAttributes(end...)
		span.End()
	}), errors.Join(err1, err2, err3, err4)
}

// byHand is the usual chain of small middleware.
func byHand(next http.Handler) http.Handler {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil))
	places := make(chan struct{}, 1000)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			if value := recover(); value != nil {
				http.Error(seen, "error", http.StatusInternalServerError)
			}
			logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", seen.status),
				slog.Duration("duration", time.Since(begin)), slog.Int("size", seen.size), slog.String("client", r.RemoteAddr))
		}()
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			http.Error(seen, "overloaded", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(seen, r.Body, 1<<20)
		next.ServeHTTP(seen, r)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status, size int
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.size += n
	return n, err
}

// chiServer has the middleware that chi's README begins with, and Throttle for the limit that the others have. Its README
// names otelhttp for tracing.
func chiServer(t telemetry) http.Handler {
	r := chi.NewRouter()
	r.Use(
		middleware.RequestID,
		middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: log.New(io.Discard, "", log.LstdFlags), NoColor: true}),
		middleware.Recoverer,
		middleware.Timeout(30*time.Second),
		middleware.Throttle(1000),
	)
	r.Get("/stock/{sku}", func(w http.ResponseWriter, r *http.Request) { answer(w, chi.URLParam(r, "sku")) })
	return instrumented(t, r)
}

// ginServer is gin.Default, which is Logger and Recovery, with otelgin in front, as its example has it.
func ginServer(t telemetry) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(
		otelgin.Middleware("stock", otelgin.WithTracerProvider(t.tracer), otelgin.WithMeterProvider(t.meter), otelgin.WithPropagators(t.propage)),
		gin.LoggerWithWriter(io.Discard),
		gin.Recovery(),
	)
	r.GET("/stock/:sku", func(c *gin.Context) {
		if sku := c.Param("sku"); sku == "17" {
			c.JSON(http.StatusOK, stock{sku, 3})
			return
		}
		c.JSON(http.StatusNotFound, fault{http.StatusText(http.StatusNotFound), http.StatusNotFound, unknownSKU, "not_found"})
	})
	return r
}

// rpcServer is connect's, as connect's and otelconnect's READMEs show it, but without generated code: the SKU is the body of a POST, the answer a string.
func rpcServer(t telemetry, sku string) contender {
	return contender{"connect", "a unary call in JSON with otelconnect and WithRecover; the body of the request is decoded, too", func() (work, func(), error) {
		interceptor, err := otelconnect.NewInterceptor(
			otelconnect.WithTracerProvider(t.tracer), otelconnect.WithMeterProvider(t.meter), otelconnect.WithPropagator(t.propage))
		if err != nil {
			return nil, nil, err
		}
		const procedure = "/stock.v1.StockService/Get"
		handler := connect.NewUnaryHandler(procedure,
			func(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
				if r.Msg.GetValue() == "17" {
					return connect.NewResponse(wrapperspb.String("3")), nil
				}
				return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf(unknownSKU)) //nolint:staticcheck // a text for people
			},
			connect.WithInterceptors(interceptor),
			connect.WithRecover(func(context.Context, connect.Spec, http.Header, any) error {
				return connect.NewError(connect.CodeInternal, nil)
			}),
		)
		header := http.Header{"Content-Type": {"application/json"}, "Connect-Protocol-Version": {"1"}}
		return serve(handler, http.MethodPost, procedure, header, `"`+sku+`"`), nil, nil
	}}
}

func server(name, note, path string, newHandler func() (http.Handler, error)) contender {
	return contender{name, note, func() (work, func(), error) {
		h, err := newHandler()
		return serve(h, http.MethodGet, path, http.Header{}, ""), nil, err
	}}
}

// discard is a ResponseWriter that can be used again.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// body is a request body that can be read again.
type body struct {
	text string
	read int
}

func (b *body) Close() error { return nil }

func (b *body) Read(p []byte) (int, error) {
	if b.read == len(b.text) {
		return 0, io.EOF
	}
	n := copy(p, b.text[b.read:])
	b.read += n
	return n, nil
}

func serve(handler http.Handler, method, path string, header http.Header, text string) work {
	return all(func(n int) error {
		request, err := http.NewRequest(method, "http://inventory.example.com"+path, http.NoBody)
		if err != nil {
			return err
		}
		request.RemoteAddr = "127.0.0.1:4711"
		request.Header = header
		header.Set("User-Agent", "orders/1.4.2 sdk-httpclient/0.1.0")
		source := &body{text: text}
		w := &discard{http.Header{}}
		for range n {
			clear(w.header)
			if text != "" {
				source.read = 0
				request.Body, request.ContentLength = source, int64(len(text))
			}
			handler.ServeHTTP(w, request)
		}
		return nil
	})
}
