package logging_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/logging"
)

func Example() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	logging.SetDefault(logger) // for FromContext, slog, log and zap.L

	ctx := logging.With(context.Background(), zap.String("tenant", "acme"))
	place(ctx, "17")
	// Output:
	// {"severity_text":"INFO","body":"order placed","service.name":"orders","tenant":"acme","order_id":"17","api_key":"REDACTED"}
	// {"severity_text":"WARN","body":"stock is low","service.name":"orders","tenant":"acme","left":3}
}

func place(ctx context.Context, id string) {
	logging.FromContext(ctx).Info("order placed", zap.String("order_id", id), zap.String("api_key", "s3cr3t"))
	slog.WarnContext(ctx, "stock is low", "left", 3)
}

func ExampleNew() {
	logger, err := logging.New("orders", logging.Config{
		Level:      os.Getenv("LOG_LEVEL"), // such as "kafka=debug,*=info"
		SecretKeys: []string{"iban"},
		Names:      logging.Names{Time: "-", File: "-", Line: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	logger.Named("billing").Info("paid with Bearer abcdef123456", zap.String("IBAN", "DE02120300000000202051"), zap.Int("cents", 1250))
	// Output:
	// {"severity_text":"INFO","otel.scope.name":"billing","body":"paid with Bearer REDACTED","service.name":"orders","IBAN":"REDACTED","cents":1250}
}

func ExampleNew_console() {
	logger, err := logging.New("orders", logging.Config{
		Format: logging.FormatConsole,
		Names:  logging.Names{Time: "-", File: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	logger.Info("order placed", zap.String("order_id", "17"), zap.String("note", "ring twice"))
	logger.Warn("stock is low", zap.Int("left", 3))
	// Output:
	// INFO  order placed order_id=17 note="ring twice"
	// WARN  stock is low left=3
}

func ExampleNew_errors() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-", Service: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	cause := fmt.Errorf("reserve: %w", errors.New("row 17 is locked"))
	failure := errors.FailedPrecondition.Wrap(cause, "Only 3 left.")
	logger.Error("order refused", zap.Error(failure))
	// Output:
	// {"severity_text":"ERROR","body":"order refused","error.type":"failed_precondition","exception.message":"failed_precondition: Only 3 left.: reserve: row 17 is locked","error":{"code":"failed_precondition","causes":[{"type":"*fmt.wrapError","message":"reserve"},{"type":"*errors.errorString","message":"row 17 is locked"}],"fingerprint":"failed_precondition"}}
}

func ExampleFromContext() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-", Service: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := logging.NewContext(context.Background(), logger)
	logging.FromContext(ctx).Info("no span")

	// A middleware does this for a request, with a real span.
	ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b}, SpanID: trace.SpanID{0x01}, TraceFlags: trace.FlagsSampled,
	}))
	logging.FromContext(ctx).Info("in a span")
	// Output:
	// {"severity_text":"INFO","body":"no span"}
	// {"severity_text":"INFO","body":"in a span","trace_id":"4b000000000000000000000000000000","span_id":"0100000000000000","trace_flags":"01"}
}

func ExampleWith() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-", Service: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := logging.NewContext(context.Background(), logger)
	ctx = logging.With(ctx, zap.String("tenant", "acme"), zap.Int("attempt", 1))
	retry := logging.With(ctx, zap.Int("attempt", 2))
	logging.FromContext(retry).Info("again")
	// Output:
	// {"severity_text":"INFO","body":"again","tenant":"acme","attempt":2}
}

func ExampleNewSlogHandler() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-", Service: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	s := slog.New(logging.NewSlogHandler(logger.Named("kafka")))
	s.Info("joined", slog.Group("group", "id", "fulfilment", "password", "s3cr3t"))
	// Output:
	// {"severity_text":"INFO","otel.scope.name":"kafka","body":"joined","group":{"id":"fulfilment","password":"REDACTED"}}
}

func ExampleLevelHandler() {
	logger, err := logging.New("orders", logging.Config{
		Names: logging.Names{Time: "-", File: "-", Line: "-", Service: "-"}, // only so that this output stays the same
	})
	if err != nil {
		log.Fatal(err)
	}
	admin := http.NewServeMux()
	admin.Handle("/debug/loglevel", logging.LevelHandler(logger))

	logger.Named("kafka").Debug("not written")
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/debug/loglevel?level=kafka=debug,*=info", nil))
	fmt.Println(strings.TrimSpace(w.Body.String()))
	logger.Named("kafka").Debug("written")
	// Output:
	// {"severity_text":"WARN","body":"log level changed","from":"info","to":"kafka=debug,*=info","for":0}
	// {"level":"*=info,kafka=debug"}
	// {"severity_text":"DEBUG","otel.scope.name":"kafka","body":"written"}
}

func ExampleRunLevelSignals() {
	logger, err := logging.New("orders", logging.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := logging.RunLevelSignals(ctx, logger); err != nil {
			logger.Error("no signals", zap.Error(err))
		}
	})
	// The service runs: kill -USR1 makes it more talkative for an hour, kill -USR2 ends that.
	stop()
	running.Wait()
	// Output:
}

func ExampleLevels() {
	logger, err := logging.New("orders", logging.Config{Level: "warn"})
	if err != nil {
		log.Fatal(err)
	}
	levels := logging.LevelsOf(logger)
	err = levels.Set("kafka=loud")
	fmt.Println(levels, err)
	err = levels.Set("kafka=debug")
	fmt.Println(levels, err)
	// Output:
	// warn "loud" is no level: use trace, debug, info, warn, error, dpanic, panic or fatal
	// *=info,kafka=debug <nil>
}
