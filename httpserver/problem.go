package httpserver

import (
	"net/http"
	"strconv"
	"strings"
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
	if acceptsJSON(r.Header["Accept"]) {
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
	h := rw.Header()
	// These describe the body that the handler meant to send.
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "Content-Disposition", "Content-Range", "Etag", "Last-Modified"} {
		delete(h, name)
	}
	rw.set("Content-Type", contentType)
	rw.set("X-Content-Type-Options", "nosniff")
	rw.set("Cache-Control", "no-store") // a 404 is cacheable unless it says otherwise (RFC 9110, section 15.1)
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

// acceptsJSON reads Accept (RFC 9110, section 12.5.1): no header accepts everything; of ranges, JSON in
// any form with a weight above zero will do.
func acceptsJSON(values []string) bool {
	if len(values) == 0 {
		return true
	}
	empty := true
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			media, params, _ := strings.Cut(part, ";")
			media = strings.TrimSpace(media)
			if media == "" {
				continue
			}
			empty = false
			if isJSONRange(media) && !refused(params) {
				return true
			}
		}
	}
	return empty
}

func isJSONRange(media string) bool {
	return media == "*/*" || strings.EqualFold(media, "application/*") || isJSON(media)
}

// isJSON knows application/json and every type with the suffix +json (RFC 6839, section 3.1).
func isJSON(media string) bool {
	const suffix = "+json"
	return strings.EqualFold(media, "application/json") ||
		len(media) > len(suffix) && strings.EqualFold(media[len(media)-len(suffix):], suffix)
}

// refused reports whether the parameters hold q=0.
func refused(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			return err == nil && q == 0
		}
	}
	return false
}
