package httpserver_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// Each MUST and SHOULD of RFC 9457 (Problem Details for HTTP APIs) that concerns whoever sends a
// document, by section. The documents are those of a real server for every code, for every error that
// the server answers with by itself, and for errors with all that an error can have.
func TestRFC9457(t *testing.T) {
	catalogue := newCatalogue()
	server := httptest.NewServer(conformanceHandler(t, catalogue))
	defer server.Close()
	documents := conformanceDocuments(t, server)

	each := func(name string, check func(t *testing.T, d problemResponse)) {
		t.Run(name, func(t *testing.T) {
			for path, d := range documents {
				t.Run(path, func(t *testing.T) { check(t, d) })
			}
		})
	}
	each("3: JSON is identified as application/problem+json", func(t *testing.T, d problemResponse) {
		if got := d.header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("Content-Type = %q", got)
		}
	})
	each("3: a document is one JSON object in UTF-8", func(t *testing.T, d problemResponse) {
		if !json.Valid(d.body) || d.body[0] != '{' || strings.ToValidUTF8(string(d.body), "") != string(d.body) {
			t.Errorf("body = %q", d.body)
		}
	})
	each("3.1: members have the type that is specified", func(t *testing.T, d problemResponse) {
		for _, name := range []string{"type", "title", "detail", "instance"} {
			if value, ok := d.members[name]; ok {
				if text, ok := value.(string); !ok || text == "" {
					t.Errorf("%s = %v", name, value)
				}
			}
		}
		if status, ok := d.members["status"].(float64); !ok || status != float64(int(status)) {
			t.Errorf("status = %v", d.members["status"])
		}
	})
	each("3.1.1: type is an absolute URI, which is RECOMMENDED, or absent, which is about:blank", func(t *testing.T, d problemResponse) {
		if kind, ok := d.members["type"].(string); ok {
			if u, err := url.Parse(kind); err != nil || !u.IsAbs() {
				t.Errorf("type = %q", kind)
			}
		}
	})
	each("3.1.1: a locator SHOULD resolve to documentation for people, such as HTML", func(t *testing.T, d problemResponse) {
		kind, ok := d.members["type"].(string)
		if !ok {
			return
		}
		u, err := url.Parse(kind)
		if err != nil {
			t.Fatal(err)
		}
		res := ask9457(t, server.URL+u.Path, browser)
		if res.status != 200 || !strings.HasPrefix(res.header.Get("Content-Type"), "text/html") ||
			!strings.Contains(string(res.body), d.members["title"].(string)) {
			t.Errorf("%s: %d %v", kind, res.status, res.header)
		}
	})
	each("3.1.2: status MUST be that of the response", func(t *testing.T, d problemResponse) {
		if d.members["status"] != float64(d.status) {
			t.Errorf("member %v, response %d", d.members["status"], d.status)
		}
	})
	t.Run("3.1.3: title SHOULD NOT change from occurrence to occurrence", func(t *testing.T) {
		titles := make(map[any]any)
		for path, d := range documents {
			problem := [2]any{d.members["code"], d.members["reason"]}
			if before, ok := titles[problem]; ok && before != d.members["title"] {
				t.Errorf("%s: %v and %v", path, before, d.members["title"])
			}
			titles[problem] = d.members["title"]
		}
	})
	each("3.1.4: detail is about the occurrence and no debugging information", func(t *testing.T, d problemResponse) {
		for _, internal := range []string{"goroutine", ".go:", "hunter2", "errors.Error", "0x"} {
			if strings.Contains(string(d.body), internal) {
				t.Errorf("body has %q: %s", internal, d.body)
			}
		}
	})
	each("3.1.5: instance is an absolute URI, which is RECOMMENDED, of this occurrence", func(t *testing.T, d problemResponse) {
		instance, ok := d.members["instance"].(string)
		if !ok {
			t.Fatal("none, in a trace")
		}
		if u, err := url.Parse(instance); err != nil || !u.IsAbs() || !strings.HasSuffix(instance, d.members["trace_id"].(string)) {
			t.Errorf("instance = %q", instance)
		}
	})
	name := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{2,}$`)
	each("3.2: names of extensions SHOULD be letters, digits and _, and three or longer", func(t *testing.T, d problemResponse) {
		for member := range d.members {
			if !name.MatchString(member) {
				t.Errorf("member %q", member)
			}
		}
	})
	t.Run("4: a type MUST have a URI, a title and a status", func(t *testing.T) {
		for d := range catalogue.All() {
			entry := ask9457(t, server.URL+"/orders/"+d.Reason(), "application/json")
			if entry.members["type"] != d.Type() || entry.members["title"] == nil || entry.members["status"] == nil {
				t.Errorf("%s: %v", d.Reason(), entry.members)
			}
		}
	})
	each("4: Retry-After MAY be used, and agrees with the document", func(t *testing.T, d problemResponse) {
		ms, ok := d.members["retry_after_ms"].(float64)
		if (d.header.Get("Retry-After") != "") != ok || ok && ms <= 0 {
			t.Errorf("header %q, member %v", d.header.Get("Retry-After"), d.members["retry_after_ms"])
		}
	})
	each("4.2.1: the title of about:blank SHOULD be the phrase of the status", func(t *testing.T, d problemResponse) {
		want := http.StatusText(d.status)
		if d.status == 499 {
			return // not registered
		}
		if d.members["type"] == nil && d.members["title"] != want {
			t.Errorf("title = %v, want %q", d.members["title"], want)
		}
	})
	each("5: what a response discloses is chosen", func(t *testing.T, d problemResponse) {
		known := " type title status detail instance code reason domain retryable retry_after_ms retry_exhausted trace_id errors metadata "
		for member := range d.members {
			if !strings.Contains(known, " "+member+" ") {
				t.Errorf("member %q", member)
			}
		}
	})
}

type problemResponse struct {
	status  int
	header  http.Header
	body    []byte
	members map[string]any
}

func ask9457(t *testing.T, target, accept string) problemResponse {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	d := problemResponse{status: res.StatusCode, header: res.Header, body: body}
	_ = json.Unmarshal(body, &d.members) // HTML has none
	return d
}

// conformanceHandler has a path for each document.
func conformanceHandler(t *testing.T, catalogue *errors.Catalogue) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/orders/", httpserver.CatalogueHandler(catalogue))
	cause := errors.Internal.Wrap(io.ErrUnexpectedEOF, "hunter2")
	for _, code := range errors.Codes() {
		mux.Handle("/code/"+code.String(), failing(code.New("What the caller may know.")))
		mux.Handle("/bare/"+code.String(), failing(code))
	}
	for d := range catalogue.All() {
		mux.Handle("/defined/"+d.Reason(), failing(d.Wrap(cause, "Only 3 left.")))
		mux.Handle("/defined2/"+d.Reason(), failing(d))
	}
	for _, d := range ownErrors() {
		mux.Handle("/own/"+d.Reason(), failing(d.New("What is wrong.")))
	}
	mux.Handle("/uncoded", failing(io.ErrUnexpectedEOF))
	mux.Handle("/panic", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") }))
	mux.Handle("/full", failing(full()))
	mux.Handle("POST /method", failing(nil))
	mux.Handle("/late", failing(context.DeadlineExceeded))
	return observe(t, mux, httpserver.Config{})
}

func conformanceDocuments(t *testing.T, server *httptest.Server) map[string]problemResponse {
	t.Helper()
	paths := []string{"/uncoded", "/panic", "/full", "/method", "/late", "/nowhere", "/orders/NONE"}
	for _, code := range errors.Codes() {
		paths = append(paths, "/code/"+code.String(), "/bare/"+code.String())
	}
	for d := range newCatalogue().All() {
		paths = append(paths, "/defined/"+d.Reason(), "/defined2/"+d.Reason())
	}
	for _, d := range ownErrors() {
		paths = append(paths, "/own/"+d.Reason())
	}
	documents := make(map[string]problemResponse, len(paths))
	for _, path := range paths {
		documents[path] = ask9457(t, server.URL+path, "application/problem+json")
	}
	return documents
}

func ownErrors() []*errors.DefinedError {
	return []*errors.DefinedError{
		httpserver.ErrNoRoute, httpserver.ErrMethodNotAllowed, httpserver.ErrBodyTooLarge, httpserver.ErrMediaType,
		httpserver.ErrBodyTimeout, httpserver.ErrInvalidBody, httpserver.ErrOverloaded, httpserver.ErrShuttingDown,
	}
}

// full is an error with everything that an error can have.
func full() *errors.Error {
	return errors.ResourceExhausted.New("Häufig \"so\"\n\x00\xff<b>").
		WithCause(errors.Internal.Wrap(io.ErrUnexpectedEOF, "hunter2")).
		WithReason("orders", "QUOTA").
		WithRetryAfter(1500*time.Millisecond).
		WithViolation("#/items/0", "too many", "MAX").
		WithMetadata("limit", "3").
		WithAttrs(slog.String("password", "hunter2"))
}
