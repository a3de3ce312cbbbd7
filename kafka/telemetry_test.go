package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestOneTraceFromThePublisherThroughRetriesToTheHandler(t *testing.T) {
	for _, links := range []bool{false, true} {
		t.Run(fmt.Sprintf("SpanLinks %v", links), func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				spans := tracetest.NewSpanRecorder()
				provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
				p := producer(t, b, kafka.ProducerConfig{TracerProvider: provider, Propagator: propagation.TraceContext{}})
				ctx, parent := provider.Tracer("test").Start(t.Context(), "order")
				record := &kafka.Record{Topic: "orders", Key: []byte("k"), Value: []byte("value")}
				if err := p.Publish(ctx, record); err != nil {
					t.Fatal(err)
				}
				if len(record.Headers) != 0 {
					t.Errorf("publishing changed the caller's headers: %v", record.Headers)
				}
				parent.End()
				cfg := quiet(t, b)
				cfg.TracerProvider, cfg.Propagator, cfg.SpanLinks = provider, propagation.TraceContext{}, links
				var inHandler trace.SpanContext
				run(t, b, "g", []string{"orders"}, func(ctx context.Context, r *kafka.Record) error {
					if inHandler = trace.SpanContextFromContext(ctx); r.Attempt() == 1 {
						return errors.Unavailable.New("not now")
					}
					return nil
				}, cfg)
				b.WaitCaughtUp(t, "orders", "g")
				var process []sdktrace.ReadOnlySpan
				var send sdktrace.ReadOnlySpan
				for _, s := range spans.Ended() {
					switch s.Name() {
					case "send orders":
						send = s
					case "process orders":
						process = append(process, s)
					}
				}
				if send == nil || len(process) != 2 || send.SpanKind() != trace.SpanKindProducer || process[0].SpanKind() != trace.SpanKindConsumer {
					t.Fatalf("spans: %v", spans.Ended())
				}
				if send.Parent().SpanID() != parent.SpanContext().SpanID() {
					t.Error("the producer's span is not the caller's child")
				}
				for _, s := range process {
					child := s.Parent().SpanID() == send.SpanContext().SpanID()
					linked := len(s.Links()) == 1 && s.Links()[0].SpanContext.SpanID() == send.SpanContext().SpanID()
					if child == links || linked != links {
						t.Errorf("child of the producer's span: %v, linked to it: %v", child, linked)
					}
				}
				if s := process[0].Status(); s.Code != codes.Error || attr(process[0].Attributes(), "error.type") != "unavailable" {
					t.Errorf("status of the failed attempt: %+v", s)
				}
				if process[1].Status().Code != codes.Unset || inHandler.SpanID() != process[1].SpanContext().SpanID() {
					t.Error("the handler's context has not its own span")
				}
				for key, want := range map[string]string{
					"messaging.system": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
					"messaging.destination.name": "orders", "messaging.consumer.group.name": "g",
					"messaging.destination.partition.id": "0", "messaging.kafka.offset": "0", "messaging.message.body.size": "5",
				} {
					if got := attr(process[1].Attributes(), key); got != want {
						t.Errorf("%s is %q, want %q", key, got, want)
					}
				}
			})
		})
	}
}

func attr(attrs []attribute.KeyValue, key string) string {
	for _, a := range attrs {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func TestConsumerMetrics(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		reader := metric.NewManualReader()
		provider := metric.NewMeterProvider(metric.WithReader(reader))
		cfg := quiet(t, b)
		cfg.MeterProvider = provider
		p := producer(t, b, kafka.ProducerConfig{MeterProvider: provider})
		run(t, b, "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
			switch {
			case string(r.Value) == "3":
				return errors.InvalidArgument.New("")
			case string(r.Value) == "4" && r.Attempt() == 1:
				return errors.Aborted.New("")
			case string(r.Value) == "9":
				time.Sleep(20 * time.Second)
			}
			return nil
		}, cfg)
		for _, r := range records("orders", 10, func(i int) []byte { return fmt.Appendf(nil, "%d", i) }) {
			if err := p.Publish(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want := map[string]string{
			"messaging.client.sent.messages":      "10",
			"messaging.client.operation.duration": "10 samples",
			"messaging.client.consumed.messages":  "10",
			"messaging.process.duration":          "1 samples invalid_argument,1 samples aborted,8 samples",
			"kafka.consumer.retries":              "1",
			"kafka.consumer.dead_letters":         "1 invalid_argument",
			"kafka.consumer.in_flight":            "1 active,0 waiting",
			"kafka.consumer.paused":               "0 outage,0 dead letter flood",
			"kafka.consumer.unwritten":            "0",
			"kafka.consumer.lag":                  "1",
			"kafka.consumer.lag.time":             "10",
		}
		seen := collect(t, reader)
		for name, w := range want {
			if a, b := strings.Split(seen[name], ","), strings.Split(w, ","); !sameSet(a, b) {
				t.Errorf("%s is %q, want %q", name, seen[name], w)
			}
		}
	})
}

// collect returns the data points of each metric.
func collect(t *testing.T, reader metric.Reader) map[string]string {
	t.Helper()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		seen[m.Name] = dataPoints(m.Data)
	}
	return seen
}

func sameSet(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func dataPoints(data metricdata.Aggregation) string {
	var out []string
	label := func(set attribute.Set) string {
		for _, key := range []string{"error.type", "state", "reason"} {
			if v, ok := set.Value(attribute.Key(key)); ok {
				return " " + v.String()
			}
		}
		return ""
	}
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint(p.Value)+label(p.Attributes))
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprint(p.Value)+label(p.Attributes))
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprintf("%.0f", p.Value)+label(p.Attributes))
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, fmt.Sprintf("%d samples", p.Count)+label(p.Attributes))
		}
	}
	return strings.Join(out, ",")
}

func TestLogLinesOfAHandlerNameTheRecord(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		var got []slog.Attr
		run(t, b, "g", []string{"orders"}, func(ctx context.Context, _ *kafka.Record) error {
			ctx, cancel := context.WithCancel(logctx.With(ctx, slog.String("mine", "1")))
			defer cancel()
			got = logctx.Append(ctx, nil)
			return nil
		}, quiet(t, b))
		b.Produce(t, kafka.Record{Topic: "orders", Key: []byte("ann@example.com")})
		b.WaitCaughtUp(t, "orders", "g")
		text := fmt.Sprint(got)
		for _, want := range []string{"messaging.destination.name=orders", "messaging.destination.partition.id=0", "messaging.kafka.offset=0", "messaging.consumer.group.name=g", "attempt=1", "key_hash=", "mine=1"} {
			if !strings.Contains(text, want) {
				t.Errorf("attributes %s have no %s", text, want)
			}
		}
		if strings.Contains(text, "ann@") {
			t.Errorf("attributes hold the key: %s", text)
		}
	})
}

// From the line about a dead letter one gets to the span of the attempt.
func TestLogLinesOfAFailedRecordAreInItsTrace(t *testing.T) {
	bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
		cfg := quiet(t, b)
		cfg.TracerProvider = sdktrace.NewTracerProvider()
		traces := make(chan string, 1)
		cfg.Logger = slog.New(traceOf{cfg.Logger.Handler(), traces})
		run(t, b, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return errors.InvalidArgument.New("") }, cfg)
		b.Produce(t, records("orders", 1, func(int) []byte { return nil })...)
		letter := b.WaitDeadLetters(t, "orders", "g", 1)[0]
		if got := <-traces; got != letter.TraceID() || got == "" {
			t.Errorf("the line is in trace %q, the dead letter in %q", got, letter.TraceID())
		}
	})
}

type traceOf struct {
	slog.Handler
	traces chan string
}

func (h traceOf) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h traceOf) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "record moved to the dead letters" {
		h.traces <- trace.SpanContextFromContext(ctx).TraceID().String()
	}
	return h.Handler.Handle(ctx, r)
}
