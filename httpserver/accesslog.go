package httpserver

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
)

// Keys of log lines, by OpenTelemetry's conventions where they have one.
const (
	keyMethod   = string(httpconv.RequestMethod)
	keyRoute    = string(httpconv.Route)
	keyPath     = string(httpconv.URLPath)
	keyStatus   = string(httpconv.ResponseStatusCode)
	keySize     = string(httpconv.ResponseBodySize)
	keyClient   = string(httpconv.ClientAddress)
	keyAgent    = string(httpconv.UserAgentOriginal)
	keyDuration = "duration"
	keyError    = "error"
)

// AccessLog returns a handler that writes one line for each request: method, path, route, status, size
// of the body, duration, client and user agent; of a failed request the error, too, in place of the
// line that [HandlerFunc] writes. The level is the one that the table of package errors has for the
// error's code; without an error it is info, from status 500 on error. Probes answered by [Health] and
// requests shed by [LimitConcurrency] are left out: Health tells when a check begins to fail and when it
// recovers, the limit how many requests there were. The query is never logged. A nil logger is
// slog.Default(), asked at each request.
func AccessLog(next http.Handler, logger *slog.Logger) http.Handler {
	return &layers{next: next, accessLog: true, logger: logger}
}

// LogAttrs returns a handler that puts the request's method and route into the context, from where the
// SDK's logging module adds them to every line that is written while the request is handled.
func LogAttrs(next http.Handler) http.Handler {
	return &layers{next: next, attrs: true}
}

func (x *exchange) logAccess(took time.Duration) {
	late, failure := x.outcome()
	status := x.status()
	level := accessLevel(failure, status)
	logger := x.layers.log()
	if x.silent() || !logger.Enabled(x.below, level) {
		return
	}
	r := x.request
	client, _ := httpconv.SplitHostPort(r.RemoteAddr)
	var line [9]slog.Attr
	attrs := append(line[:0],
		slog.String(keyMethod, x.method),
		slog.String(keyPath, r.URL.Path),
		slog.Int(keyStatus, status),
		slog.Duration(keyDuration, took),
		slog.Int64(keySize, x.writer.bytes),
	)
	if route := x.route(); route != "" {
		attrs = append(attrs, slog.String(keyRoute, route))
	}
	if client != "" {
		attrs = append(attrs, slog.String(keyClient, client))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, slog.String(keyAgent, agent))
	}
	if failure != nil {
		attrs = append(attrs, slog.Any(keyError, failure))
	}
	// Not under the exchange itself: its attributes are in the line already.
	logger.LogAttrs(x.below, level, accessMessage(failure, late, x.returned), attrs...)
}

func accessLevel(failure error, status int) slog.Level {
	switch {
	case failure != nil:
		return errors.CodeOf(failure).Level()
	case status >= 500:
		return slog.LevelError
	}
	return slog.LevelInfo
}

func accessMessage(failure error, late, returned bool) string {
	switch {
	case failure == nil && !returned:
		return "request aborted"
	case failure == nil:
		return "request served"
	case late:
		return "request failed after its response had begun"
	}
	return "request failed"
}

// logFailure is for requests without an access log.
func logFailure(x *exchange, r *http.Request, failure error, late bool) {
	logger := x.logger()
	level := errors.CodeOf(failure).Level()
	if !logger.Enabled(r.Context(), level) {
		return
	}
	logger.LogAttrs(r.Context(), level, accessMessage(failure, late, true),
		slog.String(keyMethod, r.Method),
		slog.String(keyPath, r.URL.Path),
		slog.Any(keyError, failure))
}
