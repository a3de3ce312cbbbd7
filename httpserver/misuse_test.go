package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// cyclic is a chain of causes that leads back to itself.
type cyclic struct{ next error }

func (c *cyclic) Error() string { return "again" }
func (c *cyclic) Unwrap() error { return c.next }

// crowded is a join that holds itself.
type crowded struct{ members []error }

func (c *crowded) Error() string   { return "all" }
func (c *crowded) Unwrap() []error { return c.members }

// uncomparable panics where somebody compares it.
type uncomparable struct{ parts []string }

func (uncomparable) Error() string { return "parts" }

// Whatever a handler returns, the answer is whole, once, and logged once.
func TestOddErrorsAreAnswered(t *testing.T) {
	circle := &cyclic{}
	circle.next = fmt.Errorf("on the way: %w", circle)
	crowd := &crowded{}
	crowd.members = []error{errors.NotFound.New("Lost."), crowd, nil}
	var none *errors.Error
	var undefined *errors.DefinedError
	million := make([]errors.Violation, 1_000_000)
	for i := range million {
		million[i] = errors.Violation{Pointer: "#/items/" + strconv.Itoa(i), Detail: "is wrong", Reason: "WRONG"}
	}
	tests := map[string]struct {
		err    error
		status int
		code   string
	}{
		"cyclic":                      {circle, 500, "unknown"},
		"cyclic below a code":         {errors.NotFound.Wrap(circle, "Lost."), 404, "not_found"},
		"cyclic join":                 {crowd, 500, "unknown"},
		"cyclic, canceled":            {errors.Canceled.Wrap(circle, ""), 500, "unknown"},
		"absurdly deep":               {deep(errors.NotFound.New("Lost."), 10_000), 404, "not_found"},
		"deeper than anybody looks":   {deep(errors.NotFound.New("Lost."), 1<<17), 500, "unknown"},
		"a nil *Error":                {none, 500, "unknown"},
		"a nil *Error in an error":    {fmt.Errorf("call: %w", none), 500, "unknown"},
		"a nil *DefinedError":         {undefined, 500, "unknown"},
		"an error that is no error":   {errors.OK, 500, "unknown"},
		"one that has no code":        {errors.Code(200), 500, "unknown"},
		"one that cannot be compared": {uncomparable{[]string{"a"}}, 500, "unknown"},
		"a million violations":        {errors.InvalidArgument.New("No.").WithViolations(million...), 400, "invalid_argument"},
		"a huge message":              {errors.InvalidArgument.New(strings.Repeat("x", 10<<20)), 400, "invalid_argument"},
		"bytes that are no text":      {errors.InvalidArgument.New("\xff\x00</script>"), 400, "invalid_argument"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			stacks := everyMiddleware(t, failing(test.err))
			for _, kind := range []string{"none", "Recover", "all"} {
				stack := stacks[kind]
				w := httptest.NewRecorder()
				stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders", nil))
				if p := problemOf(t, w); w.Code != test.status || p["code"] != test.code {
					t.Errorf("%s: answer = %d %.200s", kind, w.Code, w.Body)
				}
				if w.Body.Len() > errors.MaxProblemBytes+1 {
					t.Errorf("%s: %d bytes", kind, w.Body.Len())
				}
			}
			o := observe(t, failing(test.err), httpserver.Config{})
			o.get("/orders")
			o.logs.line(t, "request failed")
			o.span(t)
		})
	}
}

func TestOddPanicsAreAnswered(t *testing.T) {
	circle := &cyclic{}
	circle.next = circle
	for name, value := range map[string]any{
		"nil": nil, "cyclic": circle, "a nil *Error": (*errors.Error)(nil), "uncomparable": uncomparable{}, "a map": map[string]int{},
	} {
		o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }), httpserver.Config{})
		w := o.get("/")
		if p := problemOf(t, w); w.Code != 500 || p["code"] != "internal" {
			t.Errorf("%s: answer = %d %s", name, w.Code, w.Body)
		}
		o.logs.line(t, "request failed")
	}
}

// On a real connection: what the handler did wrong costs nobody else anything, and is told in the log.
func TestMisuseOfTheWriter(t *testing.T) {
	tests := map[string]struct {
		handle func(w http.ResponseWriter) error
		want   string // how the response begins
		body   string
		told   string // in the log of net/http; "": nothing
	}{
		"two headers": {func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusAccepted)
			w.WriteHeader(http.StatusTeapot)
			return nil
		}, "HTTP/1.1 202 ", "", "superfluous response.WriteHeader"},
		"header after the body": {func(w http.ResponseWriter) error {
			_, _ = io.WriteString(w, "x")
			w.WriteHeader(http.StatusTeapot)
			return nil
		}, "HTTP/1.1 200 ", "x", "superfluous response.WriteHeader"},
		"body of a 204": {func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusNoContent)
			_, err := io.WriteString(w, "x")
			if !errors.Is(err, http.ErrBodyNotAllowed) {
				return fmt.Errorf("write: %w", err)
			}
			return nil
		}, "HTTP/1.1 204 ", "", ""},
		"JSON of a 204": {func(w http.ResponseWriter) error {
			return httpserver.WriteJSON(w, http.StatusNoContent, strings.Repeat("x", 5000))
		}, "HTTP/1.1 204 ", "", ""},
		"JSON of a 304": {func(w http.ResponseWriter) error {
			return httpserver.WriteJSON(w, http.StatusNotModified, "x")
		}, "HTTP/1.1 304 ", "", ""},
		"an error after a 204": {func(w http.ResponseWriter) error {
			w.WriteHeader(http.StatusNoContent)
			return errors.Internal.New("Broken.")
		}, "HTTP/1.1 204 ", "", ""},
		"early hints, then an error": {func(w http.ResponseWriter) error {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			return errors.NotFound.New("Lost.")
		}, "HTTP/1.1 103 ", "Lost.", ""},
		"two errors": {func(w http.ResponseWriter) error {
			httpserver.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), errors.NotFound.New("Lost."))
			return errors.Internal.New("Broken.")
		}, "HTTP/1.1 404 ", "Lost.", ""},
		"a JSON answer, then an error": {func(w http.ResponseWriter) error {
			if err := httpserver.WriteJSON(w, http.StatusOK, "fine"); err != nil {
				return err
			}
			return errors.Internal.New("Broken.")
		}, "HTTP/1.1 200 ", "\"fine\"\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := observe(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				return test.handle(w)
			}), httpserver.Config{})
			server := httptest.NewUnstartedServer(o)
			var told logs
			server.Config.ErrorLog = log.New(&told, "", 0)
			server.Start()
			raw := exchangeBytes(t, server.Listener.Addr(), "GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n")
			server.Close()
			if !strings.HasPrefix(raw, test.want) || strings.Contains(raw, "Broken.") || !strings.Contains(raw, test.body) {
				t.Errorf("response = %q", raw)
			}
			if test.body == "" {
				if _, body, _ := strings.Cut(raw, "\r\n\r\n"); body != "" {
					t.Errorf("there is a body: %q", body)
				}
			}
			if told.String() == "" != (test.told == "") || !strings.Contains(told.String(), test.told) {
				t.Errorf("log of net/http: %q", told.String())
			}
			if got := len(o.logs.lines(t, "request")); got != 1 {
				t.Errorf("%d lines:\n%s", got, o.logs)
			}
		})
	}
}

func TestGoexitEndsTheConnection(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		runtime.Goexit()
	}), httpserver.Config{})
	server := served(t, o)
	if raw := exchangeBytes(t, server.Listener.Addr(), "GET / HTTP/1.1\r\nHost: orders\r\n\r\n"); raw != "" {
		t.Errorf("response = %q", raw)
	}
	server.Close()
	o.logs.line(t, "request aborted")
}

// A client that does not read its response is cut off when the write timeout has passed, and that is no
// fault of ours.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	for name, write := range map[string]func(w http.ResponseWriter) error{
		"Write": func(w http.ResponseWriter) error {
			_, err := w.Write(make([]byte, 10<<20))
			return err
		},
		"ReadFrom": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, io.LimitReader(new(endless), 10<<30))
			return err
		},
		"WriteJSON": func(w http.ResponseWriter) error {
			return httpserver.WriteJSON(w, http.StatusOK, strings.Repeat("x", 10<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				took := make(chan time.Duration, 1)
				l, _, _, lines := started(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					err := write(w)
					took <- time.Since(began)
					return err
				}), httpserver.Config{})
				conn, err := l.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: orders\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if took := <-took; took != 40*time.Second {
					t.Errorf("cut off after %v", took)
				}
				synctest.Wait()
				if line := lines.line(t, "request failed after its response had begun"); line["level"] != "DEBUG" {
					t.Errorf("line = %v", line)
				}
			})
		})
	}
}

// The answer to a caller that has left is for the log alone, whatever the handler makes of it.
func TestCallerThatLeftIsNoFault(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, err := range map[string]error{
		"as it is": context.Canceled, "wrapped": fmt.Errorf("query: %w", context.Canceled), "joined": errors.Join(context.Canceled, nil),
	} {
		o := observe(t, failing(err), httpserver.Config{})
		w := o.call(httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))
		line := o.logs.line(t, "request failed")
		if w.Code != 499 || line["level"] != "DEBUG" || o.span(t).Status().Code != 0 {
			t.Errorf("%s: %d, %v, %v", name, w.Code, line, o.span(t).Status())
		}
	}
}
