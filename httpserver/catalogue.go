package httpserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// CatalogueHandler returns a handler that serves the documentation of a service's errors where their
// type URIs point to: mount it at the path of the catalogue's base URL.
//
//	var catalogue = errors.NewCatalogue("orders", "https://errors.example.com/orders/")
//
//	mux.Handle("GET /orders/", httpserver.CatalogueHandler(catalogue))
//
// The last element of the path is the reason of an error; without one there is a list of all. People
// get HTML and programs JSON, as the header Accept asks; what is not defined is a 404. All of it is
// public by nature: it is what the definitions say. A response can be cached for five minutes, and has an ETag by which it
// is asked for again. The HTML has no scripts, and nothing is loaded from elsewhere.
func CatalogueHandler(catalogue *errors.Catalogue) http.Handler {
	if catalogue == nil {
		panic("httpserver: CatalogueHandler: the catalogue is nil")
	}
	policy := pagePolicy()
	return HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			return ErrMethodNotAllowed.New("The documentation of errors can only be read.")
		}
		doc, err := lookup(catalogue, r.URL.Path)
		if err != nil {
			return err
		}
		return doc.serve(w, r, policy)
	})
}

// document is one page: one error, or the list of all.
type document struct {
	domain string
	list   []*errors.DefinedError
	all    bool
}

func lookup(c *errors.Catalogue, urlPath string) (document, error) {
	doc := document{domain: c.Domain(), all: true}
	if strings.HasSuffix(urlPath, "/") || urlPath == "" {
		doc.list = slices.Collect(c.All())
		return doc, nil
	}
	d, ok := c.Lookup(path.Base(urlPath))
	if !ok {
		return doc, ErrNoRoute.New("No error of this name is defined here.")
	}
	return document{domain: c.Domain(), list: []*errors.DefinedError{d}}, nil
}

func (d document) serve(w http.ResponseWriter, r *http.Request, policy string) error {
	contentType, accept := "application/json", r.Header["Accept"]
	var body []byte
	if weigh(accept, textForms) > weigh(accept, jsonForms) {
		contentType = "text/html; charset=utf-8"
		body = d.html()
	} else {
		encoded, err := d.json()
		if err != nil {
			return errors.Internal.Wrap(err, "")
		}
		body = encoded
	}
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "public, max-age=300")
	h.Add("Vary", "Accept")
	if len(r.Header["Range"]) > 0 { // net/http answers one that a page does not have in plain text
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	h.Set("Etag", strconv.Quote(base64.RawURLEncoding.EncodeToString(sum[:12])))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}

// entry is an error as programs read it.
type entry struct {
	Type     string            `json:"type,omitempty"`
	Title    string            `json:"title"`
	Status   int               `json:"status"`
	Code     errors.Code       `json:"code"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Retry    string            `json:"retry"`
	Doc      string            `json:"doc,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

func (d document) json() ([]byte, error) {
	entries := make([]entry, len(d.list))
	for i, e := range d.list {
		entries[i] = entry{
			Type: e.Type(), Title: e.Title(), Status: e.Status(), Code: e.Code(), Reason: e.Reason(), Domain: e.Domain(),
			Retry: e.Code().Retry().String(), Doc: e.Doc(), Metadata: e.Definition().Metadata,
		}
	}
	if !d.all {
		return json.Marshal(entries[0])
	}
	return json.Marshal(struct {
		Domain string  `json:"domain"`
		Errors []entry `json:"errors"`
	}{d.domain, entries})
}

// The pages are written by hand: html/template, linked into every service, would keep the linker from
// leaving out methods that nobody calls.

const pageStyle = `:root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}` +
	`h1{line-height:1.25;margin:.2em 0 .6em}code{font:.95em ui-monospace,monospace}dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.5rem}` +
	`dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;` +
	`border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}.over{opacity:.7;margin:0}`

// pagePolicy allows the one style and nothing else.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// page is HTML in the making.
type page struct{ bytes.Buffer }

// text writes pieces of which every second one, from the second on, is text to be escaped.
func (p *page) text(pieces ...string) {
	for i, piece := range pieces {
		if i%2 == 1 {
			piece = html.EscapeString(piece)
		}
		p.WriteString(piece)
	}
}

func (d document) html() []byte {
	title := "Errors of " + d.domain
	if !d.all {
		title = d.list[0].Title()
	}
	p := new(page)
	p.text(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>`,
		title, `</title><style>`+pageStyle+`</style></head><body>`)
	if d.all {
		p.list(d)
	} else {
		p.entry(d.list[0])
	}
	p.text("</body></html>\n")
	return p.Bytes()
}

func (p *page) list(d document) {
	p.text("<h1>Errors of <code>", d.domain, "</code></h1><table><thead><tr><th>Reason</th><th>Status</th><th>Title</th></tr></thead><tbody>")
	for _, e := range d.list {
		p.text(`<tr><td><a href="`, e.Reason(), `"><code>`, e.Reason(), `</code></a></td><td>`, strconv.Itoa(e.Status()), `</td><td>`, e.Title(), `</td></tr>`)
	}
	p.text("</tbody></table>")
}

func (p *page) entry(e *errors.DefinedError) {
	p.text(`<p class="over"><a href="./">Errors of `, e.Domain(), `</a></p><h1>`, e.Title(), `</h1>`)
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(e.Doc(), "\r\n", "\n"), "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			p.text("<p>", paragraph, "</p>")
		}
	}
	p.text("<dl><dt>Reason</dt><dd><code>", e.Reason(), "</code></dd><dt>Status</dt><dd>", strconv.Itoa(e.Status()),
		"</dd><dt>Code</dt><dd><code>", e.Code().String(), "</code></dd><dt>Retry</dt><dd>", advice(e.Code().Retry()), "</dd>")
	if e.Type() != "" {
		p.text("<dt>Type</dt><dd><code>", e.Type(), "</code></dd>")
	}
	p.text("</dl>")
	metadata := e.Definition().Metadata
	if len(metadata) == 0 {
		return
	}
	p.text("<h2>Metadata</h2><dl>")
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		p.text("<dt><code>", key, "</code></dt><dd>", metadata[key], "</dd>")
	}
	p.text("</dl>")
}

// advice is what a caller may do about a code.
func advice(r errors.Retry) string {
	switch r {
	case errors.RetryAlways:
		return "Yes: the request was not carried out. Wait as long as Retry-After says, or back off."
	case errors.RetryIdempotent:
		return "Only if the request is idempotent: it may have taken effect."
	case errors.RetryOperation:
		return "Not this request alone: repeat the whole operation, from what it read first."
	}
	return "No: the same request fails in the same way, unless the answer says that it is retryable."
}
