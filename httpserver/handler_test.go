package httpserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// The whole table, as the server obeys it over real HTTP: status, code, log level, span status.
func TestEveryCodeDecidesStatusLogLevelAndSpan(t *testing.T) {
	for _, code := range errors.Codes() {
		t.Run(code.String(), func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			o := observe(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				if code == errors.Canceled { // the right code only if the caller goes away
					leave()
					<-r.Context().Done()
				}
				return code.New("What the caller may know.")
			}), httpserver.Config{})
			server := served(t, o)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(req)
			if err == nil {
				p := decodeResponse(t, res)
				if res.StatusCode != code.HTTPStatus() || p["code"] != code.String() || p["detail"] != "What the caller may know." {
					t.Errorf("answer = %d %v", res.StatusCode, p)
				}
			} else if code != errors.Canceled {
				t.Fatal(err)
			}
			server.Close() // waits for the handler
			line := o.logs.line(t, "request failed")
			if line["level"] != code.Level().String() || line["http.response.status_code"] != float64(code.HTTPStatus()) {
				t.Errorf("line = %v, want level %v", line, code.Level())
			}
			span := o.span(t)
			wantStatus, wantType := codes.Unset, any(nil)
			if code.ServerFault() {
				wantStatus, wantType = codes.Error, code.String()
			}
			if got := span.Status().Code; got != wantStatus {
				t.Errorf("span status = %v, want %v", got, wantStatus)
			}
			if got := attrsOf(span.Attributes())["error.type"]; got != wantType {
				t.Errorf("error.type = %v, want %v", got, wantType)
			}
		})
	}
}

func decodeResponse(t *testing.T, res *http.Response) (members map[string]any) {
	t.Helper()
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&members); err != nil {
		t.Fatal(err)
	}
	return members
}

func TestProblemDocumentCarriesTraceAndInstance(t *testing.T) {
	o := observe(t, failing(errors.NotFound.New("There is no order 17.")), httpserver.Config{})
	r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w := o.call(r)
	p := problemOf(t, w)
	if p["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" || p["instance"] != "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("document = %v", p)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestErrorWithoutCodeSaysNothing(t *testing.T) {
	o := observe(t, failing(fmt.Errorf("dial tcp db.internal:5432: %w", io.ErrUnexpectedEOF)), httpserver.Config{})
	w := o.get("/")
	p := problemOf(t, w)
	if w.Code != 500 || p["code"] != "unknown" || p["detail"] != nil {
		t.Errorf("answer = %d %v", w.Code, p)
	}
	if strings.Contains(w.Body.String(), "db.internal") {
		t.Errorf("the cause is in the response: %s", w.Body)
	}
	if line := o.logs.line(t, "request failed"); !strings.Contains(fmt.Sprint(line["error"]), "db.internal") {
		t.Errorf("the cause is not in the log: %v", line)
	}
}

func TestHandlerFuncWorksWithoutMiddleware(t *testing.T) {
	w := httptest.NewRecorder()
	failing(errors.FailedPrecondition.New("Not yet.")).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if p := problemOf(t, w); w.Code != 400 || p["detail"] != "Not yet." {
		t.Errorf("answer = %d %v", w.Code, p)
	}
}

func TestHandlerFuncLogsItsErrorWhereNoAccessLogDoes(t *testing.T) {
	var l logs
	handler := httpserver.Recover(failing(errors.Internal.New("Broken.")), l.logger())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil))
	line := l.line(t, "request failed")
	if line["level"] != "ERROR" || line["url.path"] != "/orders" || line["error"] == nil {
		t.Errorf("line = %v", line)
	}
}

func TestNothingIsSentAfterTheFirstByte(t *testing.T) {
	tests := map[string]func(w http.ResponseWriter){
		"write":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, "half") },
		"header": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"flush":  func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"controller flush": func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
		},
	}
	for name, begin := range tests {
		t.Run(name, func(t *testing.T) {
			o := observe(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				begin(w)
				return errors.Unavailable.New("The store is down.")
			}), httpserver.Config{})
			w := o.get("/")
			if w.Code >= 400 || strings.Contains(w.Body.String(), "store") {
				t.Errorf("answer = %d %q", w.Code, w.Body)
			}
			line := o.logs.line(t, "request failed after its response had begun")
			if line["level"] != "ERROR" {
				t.Errorf("line = %v", line)
			}
			if o.span(t).Status().Code != codes.Error {
				t.Error("the span is no error")
			}
		})
	}
}

func TestInformationalHeadersAreNotTheAnswer(t *testing.T) {
	server := httptest.NewServer(httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusEarlyHints)
		return errors.NotFound.New("")
	}))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("status = %d, want 404", res.StatusCode)
	}
}

func TestHeadGetsTheHeaderOfGet(t *testing.T) {
	o := observe(t, failing(errors.NotFound.New("There is no order 17.")), httpserver.Config{})
	server := httptest.NewServer(o)
	defer server.Close()
	get, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	head, err := server.Client().Head(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer head.Body.Close()
	if head.StatusCode != 404 || head.ContentLength != get.ContentLength || head.ContentLength < 50 {
		t.Errorf("HEAD = %d, length %d; GET has length %d", head.StatusCode, head.ContentLength, get.ContentLength)
	}
	if body, _ := io.ReadAll(head.Body); len(body) > 0 {
		t.Errorf("HEAD has a body: %q", body)
	}
}

func TestRetryHeaders(t *testing.T) {
	err := errors.MarkExhausted(errors.Unavailable.New("Later.").WithRetryAfter(1500 * time.Millisecond))
	w := httptest.NewRecorder()
	failing(err).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After = %q, want 2: whole seconds, rounded up", got)
	}
	if got := w.Header().Get("Retry-Exhausted"); got != "1" {
		t.Errorf("Retry-Exhausted = %q, want 1", got)
	}
	p := problemOf(t, w)
	if p["retry_after_ms"] != 1500.0 || p["retry_exhausted"] != true {
		t.Errorf("document = %v", p)
	}
}

func TestHeadersOfTheMeantResponseAreDropped(t *testing.T) {
	w := httptest.NewRecorder()
	httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		h := w.Header()
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", "1000000")
		h.Set("Etag", `"17"`)
		h.Set("Cache-Control", "max-age=3600")
		h.Set("Www-Authenticate", "Bearer")
		return errors.Unauthenticated.New("")
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag"} {
		if got := w.Header().Get(name); got != "" {
			t.Errorf("%s = %q is still there", name, got)
		}
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Www-Authenticate") != "Bearer" {
		t.Errorf("header = %v", w.Header())
	}
}

// remote is what the SDK's client makes of another service's answer.
func remote(t *testing.T, code errors.Code) error {
	t.Helper()
	document := errors.NewProblem(code.New("The inventory's own words.")).AppendJSON(nil)
	return errors.DecodeProblem(errors.Response{
		Status: code.HTTPStatus(), Body: document,
	})
}

func TestRemoteCodeIsNotOurs(t *testing.T) {
	want := map[errors.Code]errors.Code{
		errors.Unavailable:       errors.Unavailable,
		errors.ResourceExhausted: errors.Unavailable,
		errors.DeadlineExceeded:  errors.DeadlineExceeded,
	}
	for _, code := range errors.Codes() {
		ours, ok := want[code]
		if !ok {
			ours = errors.Internal
		}
		w := httptest.NewRecorder()
		failing(fmt.Errorf("reserve: %w", remote(t, code))).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		p := problemOf(t, w)
		if p["code"] != ours.String() || w.Code != ours.HTTPStatus() || p["detail"] != nil {
			t.Errorf("a remote %v is answered with %d %v, want %v", code, w.Code, p, ours)
		}
	}
}

func TestPassOnMakesARemoteErrorOurs(t *testing.T) {
	w := httptest.NewRecorder()
	failing(errors.PassOn(remote(t, errors.NotFound))).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if p := problemOf(t, w); p["code"] != "not_found" || p["detail"] != "The inventory's own words." {
		t.Errorf("document = %v", p)
	}
}

func TestCanceledOnlyWhenTheCallerWentAway(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		caller context.Context
		err    error
		want   errors.Code
	}{
		"the caller went away":                 {ended, context.Canceled, errors.Canceled},
		"wrapped":                              {ended, fmt.Errorf("query: %w", context.Canceled), errors.Canceled},
		"a context of the handler's own ended": {t.Context(), context.Canceled, errors.Unknown},
		"said by the handler":                  {t.Context(), errors.Canceled.New("I stop."), errors.Unknown},
		"said by a remote, passed on":          {t.Context(), errors.PassOn(remote(t, errors.Canceled)), errors.Unknown},
		"a code of the handler's":              {ended, errors.Internal.Wrap(context.Canceled, ""), errors.Internal},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, handler := range []http.Handler{failing(test.err), observe(t, failing(test.err), httpserver.Config{})} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequestWithContext(test.caller, http.MethodGet, "/", nil))
				if p := problemOf(t, w); p["code"] != test.want.String() {
					t.Errorf("code = %v, want %v", p["code"], test.want)
				}
			}
		})
	}
}

// brokenWriter is a connection whose client is gone.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFailedWriteMeansThatTheCallerWentAway(t *testing.T) {
	o := observe(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		return httpserver.WriteJSON(w, http.StatusOK, "pong")
	}), httpserver.Config{})
	o.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
	line := o.logs.line(t, "request failed")
	if line["level"] != "DEBUG" || !strings.Contains(fmt.Sprint(line["error"]), "canceled") {
		t.Errorf("line = %v", line)
	}
}

// http.TimeoutHandler answers while the handler goes on in another goroutine.
func TestHandlerThatOutlivesItsMiddleware(t *testing.T) {
	release, done := make(chan struct{}), make(chan struct{})
	slow := httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		defer close(done)
		<-release
		return errors.Internal.New("Too late.")
	})
	o := observe(t, http.TimeoutHandler(slow, time.Nanosecond, "timeout"), httpserver.Config{})
	w := o.get("/")
	close(release)
	<-done
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status = %d", w.Code)
	}
}

func TestOuterLayersLearnTheErrorOfAnInnerHandler(t *testing.T) {
	var l logs
	handler := httpserver.AccessLog(httpserver.Deadline(httpserver.Recover(failing(errors.Aborted.New("")), nil), -1), l.logger())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if line := l.line(t, "request failed"); line["level"] != "WARN" || line["http.response.status_code"] != 409.0 {
		t.Errorf("line = %v", line)
	}
}

func TestWriteErrorOfNilIsAnError(t *testing.T) {
	w := httptest.NewRecorder()
	httpserver.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), nil)
	if w.Code != 500 {
		t.Errorf("status = %d, want 500", w.Code)
	}
}

// Every error of this package has a status of its own code's class and a text for its documentation.
func TestOwnErrorsAreDocumented(t *testing.T) {
	own := ownErrors()
	if !slices.ContainsFunc(own, func(d *errors.DefinedError) bool { return d.Code().Level() == slog.LevelError }) {
		t.Error("none is our own fault")
	}
	for _, d := range own {
		if d.Domain() != "httpserver" || d.Definition().Doc == "" {
			t.Errorf("%v: domain %q, doc %q", d, d.Domain(), d.Definition().Doc)
		}
	}
}
