package httpserver_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

func TestPanicBecomesA500(t *testing.T) {
	values := map[string]any{
		"text":           "password=hunter2",
		"error":          errors.NotFound.New("hunter2").WithRetryable(true),
		"runtime error":  nil, // made by the handler
		"odd":            struct{ Secret string }{"hunter2"},
		"panicking text": explosive{},
		"nil pointer":    (*hollow)(nil),
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				if value == nil {
					var none []int
					_ = none[len(name)]
				}
				panic(value)
			}), httpserver.Config{})
			w := o.get("/")
			p := problemOf(t, w)
			if w.Code != 500 || p["code"] != "internal" || p["retryable"] != false {
				t.Errorf("answer = %d %v", w.Code, p)
			}
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("the panic's value is in the response: %s", w.Body)
			}
			if line := o.logs.line(t, "request failed"); line["level"] != "ERROR" || !strings.Contains(fmt.Sprint(line["error"]), "panic") {
				t.Errorf("line = %v", line)
			}
			span := o.span(t)
			if span.Status().Code != codes.Error || attrsOf(span.Attributes())["http.response.status_code"] != int64(500) {
				t.Errorf("span = %v %v", span.Status(), attrsOf(span.Attributes()))
			}
			samples := o.metric(t, "http.server.request.duration").Data.(metricdata.Histogram[float64]).DataPoints
			if len(samples) != 1 || samples[0].Count != 1 {
				t.Errorf("duration samples = %v", samples)
			}
		})
	}
}

func TestImpossibleStatusIsA500(t *testing.T) {
	handler, err := httpserver.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(1000) }), httpserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"code":"internal"`) {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
}

type explosive struct{}

func (explosive) String() string { panic("again") }

// hollow is an error whose methods do not work on a nil pointer.
type hollow struct{ cause error }

func (h *hollow) Error() string { return h.cause.Error() }
func (h *hollow) Unwrap() error { return h.cause }

func TestPanicKeepsTheStackOfItsOrigin(t *testing.T) {
	var caught error
	handler := httpserver.Recover(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { blowUp() }),
		slog.New(&errorHandler{seen: &caught}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	found := false
	for frame := range errors.StackTrace(caught) {
		found = found || strings.HasSuffix(frame.Function, ".blowUp")
	}
	if !found {
		t.Errorf("the stack does not lead to the panic: %+v", caught)
	}
}

func blowUp() { panic("boom") }

func TestPanicAfterTheFirstByteEndsTheConnection(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic("boom")
	}), httpserver.Config{})
	server := httptest.NewServer(o)
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil {
		t.Errorf("the response looks complete: %q", body)
	}
	if string(body) != "half" {
		t.Errorf("body = %q", body)
	}
	server.Close() // waits for the handler
	o.logs.line(t, "request failed after its response had begun")
}

func TestAbortHandlerIsHonoured(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}), httpserver.Config{})
	func() {
		defer func() {
			if value := recover(); value != http.ErrAbortHandler {
				t.Errorf("recovered %v, want http.ErrAbortHandler", value)
			}
		}()
		o.get("/")
	}()
	if line := o.logs.line(t, "request aborted"); line["http.response.status_code"] != 500.0 {
		t.Errorf("line = %v", line)
	}
	attrs := attrsOf(o.span(t).Attributes())
	if attrs["http.response.status_code"] != int64(500) || attrs["error.type"] != "aborted" {
		t.Errorf("span = %v", attrs)
	}
}

func TestGoexitEndsTheSpan(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), httpserver.Config{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.get("/")
	}()
	<-done
	if got := attrsOf(o.span(t).Attributes())["error.type"]; got != "aborted" {
		t.Errorf("error.type = %v", got)
	}
}

// Alone, each middleware lets a panic through, and still does its own part.
func TestPanicPassesMiddlewareWithoutRecover(t *testing.T) {
	var l logs
	handler := httpserver.AccessLog(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") }), l.logger())
	defer func() {
		if value := recover(); value != "boom" {
			t.Errorf("recovered %v", value)
		}
		l.line(t, "request aborted")
	}()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}
