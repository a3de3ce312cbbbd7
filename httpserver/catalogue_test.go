package httpserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func newCatalogue() *errors.Catalogue {
	catalogue := errors.NewCatalogue("orders", "https://errors.example.com/orders/")
	catalogue.Define(errors.Definition{
		Code: errors.FailedPrecondition, Reason: "OUT_OF_STOCK", Title: "Item is out of stock",
		Doc:      "There are fewer than you ask for.\n\nAsk for less, or <later>.",
		Metadata: map[string]string{"sku": "the item's number", "<b>": "\"&'"},
	})
	catalogue.Define(errors.Definition{Code: errors.Unavailable, Reason: "CLOSED", Status: 503})
	return catalogue
}

// mounted is the catalogue at the path of its base URL, inside all the middleware.
func mounted(t *testing.T) observed {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/orders/", httpserver.CatalogueHandler(newCatalogue()))
	return observe(t, mux, httpserver.Config{})
}

func read(o http.Handler, method, target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w
}

// The URI in a response is where its documentation is.
func TestTypeURIResolves(t *testing.T) {
	catalogue := newCatalogue()
	mux := http.NewServeMux()
	mux.Handle("/orders/", httpserver.CatalogueHandler(catalogue))
	out, _ := catalogue.Lookup("OUT_OF_STOCK")
	mux.Handle("/buy", failing(out.New("Only 3 left.")))
	o := observe(t, mux, httpserver.Config{})
	problem := problemOf(t, o.get("/buy"))

	w := o.get(problem["type"].(string))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"type", "title", "status", "code", "reason", "domain"} {
		if got[member] != problem[member] {
			t.Errorf("%s = %v, the response says %v", member, got[member], problem[member])
		}
	}
}

func TestCatalogueForPrograms(t *testing.T) {
	o := mounted(t)
	w := read(o, http.MethodGet, "/orders/OUT_OF_STOCK", "application/json")
	want := `{"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":400,` +
		`"code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retry":"never",` +
		`"doc":"There are fewer than you ask for.\n\nAsk for less, or \u003clater\u003e.","metadata":{"\u003cb\u003e":"\"\u0026'","sku":"the item's number"}}`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%v (-want +got):\n%s", w.Header(), diff)
	}
	w = read(o, http.MethodGet, "/orders/", "")
	var index struct {
		Domain string
		Errors []struct{ Reason, Retry string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
		t.Fatal(err)
	}
	if index.Domain != "orders" || len(index.Errors) != 2 || index.Errors[0].Reason != "CLOSED" || index.Errors[0].Retry != "always" {
		t.Errorf("index = %+v", index)
	}
}

func TestCatalogueForPeople(t *testing.T) {
	o := mounted(t)
	entry := read(o, http.MethodGet, "/orders/OUT_OF_STOCK", browser)
	for _, want := range []string{
		"<title>Item is out of stock</title>", "<h1>Item is out of stock</h1>", `<a href="./">Errors of orders</a>`,
		"<p>There are fewer than you ask for.</p><p>Ask for less, or &lt;later&gt;.</p>",
		"<dt><code>&lt;b&gt;</code></dt><dd>&#34;&amp;&#39;</dd>", "<code>failed_precondition</code>", "color-scheme:light dark",
	} {
		if !strings.Contains(entry.Body.String(), want) {
			t.Errorf("the page lacks %s:\n%s", want, entry.Body)
		}
	}
	index := read(o, http.MethodGet, "/orders/", browser)
	for _, want := range []string{`<a href="OUT_OF_STOCK"><code>OUT_OF_STOCK</code></a>`, "<title>Errors of orders</title>"} {
		if !strings.Contains(index.Body.String(), want) {
			t.Errorf("the list lacks %s:\n%s", want, index.Body)
		}
	}
	tag := regexp.MustCompile(`<(/?)([a-z0-9]+)`)
	for _, w := range []*httptest.ResponseRecorder{entry, index} {
		if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
			t.Errorf("Content-Type = %s", got)
		}
		open := 0
		for _, m := range tag.FindAllStringSubmatch(w.Body.String(), -1) {
			switch {
			case m[2] == "meta":
			case m[1] == "":
				open++
			default:
				open--
			}
			if m[2] == "script" || m[2] == "img" || m[2] == "link" {
				t.Errorf("there is a %s", m[2])
			}
		}
		if open != 0 {
			t.Errorf("%d elements are not closed:\n%s", open, w.Body)
		}
	}
}

// The policy allows the page's own style, by its hash, and nothing else.
func TestCataloguePolicyAllowsItsStyleOnly(t *testing.T) {
	w := read(mounted(t), http.MethodGet, "/orders/", browser)
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(w.Body.String())[1]
	want := "default-src 'none'; style-src 'sha256-" + sha256Base64(style) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if diff := cmp.Diff(want, w.Header().Get("Content-Security-Policy")); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q", name, got)
		}
	}
	if strings.Contains(w.Body.String(), "style=") || strings.Contains(w.Body.String(), "http:") {
		t.Errorf("page = %s", w.Body)
	}
}

func TestCatalogueIsCached(t *testing.T) {
	o := mounted(t)
	etags := make(map[string]bool)
	for _, path := range []string{"/orders/", "/orders/CLOSED", "/orders/OUT_OF_STOCK"} {
		for _, accept := range []string{browser, "application/json"} {
			w := read(o, http.MethodGet, path, accept)
			h := w.Header()
			if h.Get("Cache-Control") != "public, max-age=300" || h.Get("Vary") != "Accept" || h.Get("Etag") == "" {
				t.Errorf("%s: %v", path, h)
			}
			if etags[h.Get("Etag")] {
				t.Errorf("%s, %s: the ETag is another representation's", path, accept)
			}
			etags[h.Get("Etag")] = true

			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Accept", accept)
			r.Header.Set("If-None-Match", h.Get("Etag"))
			again := o.call(r)
			if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("Etag") != h.Get("Etag") {
				t.Errorf("%s: %d %v %q", path, again.Code, again.Header(), again.Body)
			}
		}
	}
}

func TestCatalogueAnswersHead(t *testing.T) {
	server := httptest.NewServer(mounted(t))
	defer server.Close()
	for _, path := range []string{"/orders/", "/orders/CLOSED"} {
		var lengths [2]int64
		for i, method := range []string{http.MethodGet, http.MethodHead} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			lengths[i] = res.ContentLength
			if res.StatusCode != 200 || method == http.MethodHead && len(body) > 0 {
				t.Errorf("%s %s: %d %q", method, path, res.StatusCode, body)
			}
		}
		if lengths[0] != lengths[1] || lengths[0] <= 0 {
			t.Errorf("%s: lengths %v", path, lengths)
		}
	}
}

func TestCatalogueRefusesWhatItHasNot(t *testing.T) {
	o := mounted(t)
	for _, path := range []string{"/orders/NONE", "/orders/out_of_stock", "/orders/%2e%2e", "/orders/<script>", "/orders/OUT_OF_STOCK%00"} {
		w := read(o, http.MethodGet, path, "")
		if p := problemOf(t, w); w.Code != 404 || p["code"] != "not_found" {
			t.Errorf("%s: %d %v", path, w.Code, p)
		}
	}
	w := read(o, http.MethodPost, "/orders/CLOSED", "")
	if p := problemOf(t, w); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" || p["reason"] != "METHOD_NOT_ALLOWED" {
		t.Errorf("%d %v %v", w.Code, w.Header(), p)
	}
}

// What is defined after the handler was made is served, too.
func TestCatalogueMayGrow(t *testing.T) {
	catalogue := errors.NewCatalogue("orders", "")
	handler := httpserver.CatalogueHandler(catalogue)
	if w := read(handler, http.MethodGet, "/", ""); w.Body.String() != `{"domain":"orders","errors":[]}` {
		t.Errorf("empty: %s", w.Body)
	}
	catalogue.Define(errors.Definition{Code: errors.Aborted, Reason: "LATE"})
	if w := read(handler, http.MethodGet, "/any/prefix/LATE", browser); w.Code != 200 || strings.Contains(w.Body.String(), "Type") {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
}

func TestCatalogueHandlerNeedsACatalogue(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	httpserver.CatalogueHandler(nil)
}

// A page is small: whoever asks for a part of it gets it as a whole.
func TestCatalogueIgnoresRanges(t *testing.T) {
	catalogue := errors.NewCatalogue("orders", "https://errors.example.com/orders/")
	for _, header := range []string{"bytes=0-3", "bytes=90000-", "lines=1"} {
		r := httptest.NewRequest(http.MethodGet, "/orders/", nil)
		r.Header.Set("Range", header)
		w := httptest.NewRecorder()
		httpserver.CatalogueHandler(catalogue).ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != `{"domain":"orders","errors":[]}` || r.Header.Get("Range") != header {
			t.Errorf("%s: %d %s", header, w.Code, w.Body)
		}
	}
}
