package httpserver

import (
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
)

// buffers hold documents while they are written.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the size beyond which a buffer is not kept.
const maxPooled = 64 << 10

func writeProblem(rw *response, r *http.Request, err error) {
	p := errors.NewProblem(err)
	if id := trace.SpanContextFromContext(r.Context()).TraceID(); id.IsValid() {
		p.TraceID = id.String()
	}
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxPooled {
			buffers.Put(buf)
		}
	}()
	contentType := errors.ContentType
	if accept := r.Header["Accept"]; weigh(accept, jsonForms) >= weigh(accept, textForms) {
		*buf = append(p.AppendJSON((*buf)[:0]), '\n')
	} else {
		contentType = "text/plain; charset=utf-8"
		*buf = appendText((*buf)[:0], p)
	}
	setProblemHeader(rw, p, contentType)
	if r.Method == http.MethodHead {
		rw.set("Content-Length", strconv.Itoa(len(*buf)))
		rw.WriteHeader(p.Status)
		return
	}
	rw.WriteHeader(p.Status)
	_, _ = rw.Write(*buf) // a client that is gone gets nothing; rw has noted it
}

func setProblemHeader(rw *response, p *errors.Problem, contentType string) {
	// These describe the body that the handler meant to send.
	if h := rw.Header(); len(h) > 0 {
		for _, name := range [...]string{"Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Etag", "Last-Modified"} {
			delete(h, name)
		}
	}
	rw.set("Content-Type", contentType)
	rw.set("X-Content-Type-Options", "nosniff")
	rw.set("Cache-Control", "no-store") // a 404 is cacheable unless it says otherwise (RFC 9110, section 15.1)
	rw.add("Vary", "Accept")            // for caches that keep errors in spite of that
	if p.RetryAfter > 0 {
		rw.set(httpconv.RetryAfter, httpconv.FormatRetryAfter(p.RetryAfter))
	}
	if p.RetryExhausted {
		rw.set(httpconv.RetryExhausted, "1")
	}
}

// appendText is the document for people without JSON: title, message, violations, then what support asks for.
func appendText(b []byte, p *errors.Problem) []byte {
	b = append(strconv.AppendInt(b, int64(p.Status), 10), ' ')
	b = append(append(b, p.Title...), '\n')
	if p.Detail != "" {
		b = append(append(append(b, '\n'), p.Detail...), '\n')
	}
	for _, v := range p.Violations {
		b = append(append(b, v.Pointer...), ": "...)
		b = append(append(b, v.Detail...), '\n')
	}
	b = append(append(append(b, "\ncode: "...), p.Code.String()...), '\n')
	if p.Reason != "" {
		b = append(append(append(b, "reason: "...), p.Reason...), '\n')
	}
	if p.TraceID != "" {
		b = append(append(append(b, "trace_id: "...), p.TraceID...), '\n')
	}
	return b
}
