package httpclient

import (
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/internal/redact"
)

// inSpan makes a call inside a span of its own, of which those of the attempts are children. It is not
// a client span: those are of requests that went out.
func (t *transport) inSpan(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		return t.hedgedOrNot(req)
	}
	method, route := httpconv.Method(req.Method), callFrom(req.Context()).Route
	host := t.hosts.get(req.URL)
	attrs := []attribute.KeyValue{
		httpconv.RequestMethod.String(method),
		httpconv.ServerAddress.String(host.address),
		httpconv.ServerPort.Int(host.port),
	}
	if route != "" {
		attrs = append(attrs, httpconv.URLTemplate.String(route))
	}
	ctx, span := t.telemetry.spans.Start(req.Context(), time.Now(), "call "+t.name, trace.WithAttributes(attrs...))
	defer span.End()
	resp, err := t.hedgedOrNot(req.WithContext(ctx))
	if err != nil {
		span.SetAttributes(httpconv.ErrorType.String(errors.CodeOf(err).String()))
		span.SetStatus(codes.Error, redact.Text(err.Error()))
		return nil, err
	}
	resp.Request = req
	span.SetAttributes(httpconv.ResponseStatusCode.Int(resp.StatusCode))
	if resp.StatusCode >= 400 {
		span.SetAttributes(httpconv.ErrorType.String(strconv.Itoa(resp.StatusCode)))
		span.SetStatus(codes.Error, "")
	}
	if c := callOf(resp); c.resent+c.attempt > 1 {
		span.SetAttributes(httpconv.RequestResendCount.Int(c.resent + c.attempt - 1))
	}
	return resp, nil
}
