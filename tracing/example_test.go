package tracing_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/tracing"
	"github.com/backend-platform/sdk/tracing/tracingtest"
)

// A Store holds the stock.
type Store map[string]int

// Reserve takes one item out of the stock.
func (s Store) Reserve(ctx context.Context, sku string) (err error) {
	_, span := tracing.Start(ctx, "reserve", attribute.String("sku", sku))
	defer span.End(&err)

	if s[sku] == 0 {
		return errors.NotFound.Newf("There is no item %s.", sku)
	}
	s[sku]--
	return nil
}

func Example() {
	ctx := context.Background()
	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	telemetry.SetGlobal()
	defer func() {
		if err := telemetry.Shutdown(context.WithoutCancel(ctx)); err != nil {
			slog.Warn("telemetry was lost", "error", err)
		}
	}()

	store := Store{"17": 1}
	fmt.Println(store.Reserve(ctx, "17"))
	fmt.Println(errors.CodeOf(store.Reserve(ctx, "17")))
	// Output:
	// <nil>
	// not_found
}

// Faults in the environment show when the service starts, all at once.
func ExampleSetup() {
	defer environment(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
		"OTEL_EXPORTER_OTLP_HEADERS":  "my-api-key",
		"OTEL_TRACES_SAMPLER":         "sometimes",
	})()

	_, err := tracing.Setup(context.Background(), "orders", tracing.Config{})
	fmt.Println(err)
	// Output:
	// set up tracing of "orders": OTEL_TRACES_SAMPLER="sometimes": must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio
	// OTEL_EXPORTER_OTLP_ENDPOINT="collector:4318": has no scheme: write http://collector:4318 or https://collector:4318
	// OTEL_EXPORTER_OTLP_HEADERS: pair 1 is not name=value (not shown, it may be secret)
}

// A collector that refuses what it gets costs the service nothing but the spans, and Shutdown says so.
func ExampleProviders_Shutdown() {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer collector.Close()
	defer environment(map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.URL})()

	ctx := context.Background()
	telemetry, err := tracing.Setup(ctx, "orders", tracing.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := telemetry.TracerProvider().Tracer("orders").Start(ctx, "reserve")
	span.End()

	err = telemetry.Shutdown(ctx)
	if loss, ok := errors.AsType[*tracing.LossError](err); ok {
		fmt.Println("spans lost:", loss.Spans)
	}
	// Output: spans lost: 1
}

// A test gives the recorder to the set-up of the service and looks at what was recorded.
func ExampleStart() {
	recorder := tracingtest.NewRecorder()
	telemetry, err := tracing.Setup(context.Background(), "orders", tracing.Config{
		SpanProcessors: []sdktrace.SpanProcessor{recorder.SpanProcessor()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, request := telemetry.TracerProvider().Tracer("http").Start(context.Background(), "POST /orders")
	_ = Store{}.Reserve(ctx, "17")
	request.End()

	fmt.Print(recorder.Tree())
	fmt.Println(recorder.SpansNamed("reserve")[0].Attr("error.type"))
	// Output:
	// POST /orders (internal)
	//   reserve (internal)
	// not_found
}

// environment sets variables until the function that it returns is called.
func environment(variables map[string]string) (restore func()) {
	before := make(map[string]string, len(variables))
	for name, value := range variables {
		before[name] = os.Getenv(name)
		_ = os.Setenv(name, value)
	}
	return func() {
		for name, value := range before {
			_ = os.Setenv(name, value)
		}
	}
}
