package httpclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/internal/redact"
)

// ErrBodyTooLarge is found by errors.Is where a response was longer than Config.MaxResponseBytes. Its
// code is internal: the same call would fail again.
var ErrBodyTooLarge = errors.New("response body is too large")

// ErrNotJSON is found by errors.Is where a response of status 2xx is not JSON: another content type,
// or a body that does not decode. Its code is internal: the same call would fail again.
var ErrNotJSON = errors.New("response is not JSON")

// Get asks for the URL and decodes the JSON of the response. Its errors are those of [Do].
func Get[T any](ctx context.Context, client *http.Client, url string) (T, error) {
	return roundTrip[T](ctx, client, http.MethodGet, url, nil)
}

// Post sends body as JSON and decodes the JSON of the response. The type of body is inferred:
//
//	reservation, err := httpclient.Post[Reservation](ctx, client, url, Reserve{SKU: "17", Quantity: 2})
//
// It is retried only with an idempotency key ([Call], Config.IdempotencyKeys). Its errors are those of
// [Do].
func Post[T, B any](ctx context.Context, client *http.Client, url string, body B) (T, error) {
	return sendJSON[T](ctx, client, http.MethodPost, url, body)
}

// Put is [Post] with the method PUT, which is retried without a key.
func Put[T, B any](ctx context.Context, client *http.Client, url string, body B) (T, error) {
	return sendJSON[T](ctx, client, http.MethodPut, url, body)
}

// Patch is [Post] with the method PATCH.
func Patch[T, B any](ctx context.Context, client *http.Client, url string, body B) (T, error) {
	return sendJSON[T](ctx, client, http.MethodPatch, url, body)
}

// Delete asks for the URL to be deleted; what a response of status 2xx says is not read. Its errors
// are those of [Do].
func Delete(ctx context.Context, client *http.Client, url string) error {
	_, err := roundTrip[struct{}](ctx, client, http.MethodDelete, url, nil)
	return err
}

// NewRequest returns a request with body as JSON, which [Do] can send more than once. It sets
// Content-Type and Accept.
func NewRequest[B any](ctx context.Context, method, url string, body B) (*http.Request, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the body of %s %s: %w", method, redact.Text(url), err)
	}
	req, err := newRequest(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// Do sends the request and decodes the JSON of the response into a T. A response without content (204,
// 205) gives the zero T; with T = struct{} the body is not read at all. The body is always read to its
// end, within limits, and closed, so that the connection is used again.
//
// The client need not be one of [New]. All errors begin with the method and the URL, without secrets:
//
//   - a response outside 2xx is an [*errors.Error], decoded from the problem document if there is one,
//     and marked as remote; errors.Is finds its code and its definition, errors.Exhausted tells whether
//     attempts were used up, here or there;
//   - [ErrBodyTooLarge] and [ErrNotJSON];
//   - without a response: a [*TimeoutError], a [*resilience.OpenError], the caller's own context error,
//     or that of the network, each with a code.
func Do[T any](client *http.Client, req *http.Request) (T, error) {
	value, err := exchange[T](client, req)
	if err != nil {
		return value, fmt.Errorf("%s %s: %w", httpconv.Method(req.Method), redact.URL(req.URL), err)
	}
	return value, nil
}

func sendJSON[T, B any](ctx context.Context, client *http.Client, method, url string, body B) (T, error) {
	req, err := NewRequest(ctx, method, url, body)
	if err != nil {
		var zero T
		return zero, err
	}
	return Do[T](client, req)
}

func roundTrip[T any](ctx context.Context, client *http.Client, method, url string, body io.Reader) (T, error) {
	req, err := newRequest(ctx, method, url, body)
	if err != nil {
		var zero T
		return zero, err
	}
	return Do[T](client, req)
}

func newRequest(ctx context.Context, method, target string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make request %s %s: %w", method, redact.Text(target), withoutURL(err))
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

func exchange[T any](client *http.Client, req *http.Request) (T, error) {
	var value T
	resp, err := client.Do(req) //nolint:bodyclose // finish closes it
	if err != nil {
		return value, withoutURL(err)
	}
	defer finish(resp)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return value, problem(resp)
	}
	if _, ignored := any(value).(struct{}); ignored || withoutContent(resp) {
		return value, nil
	}
	err = decode(resp, maxBytes(client), &value)
	if err != nil {
		var zero T
		return zero, err
	}
	return value, nil
}

func withoutContent(resp *http.Response) bool {
	return resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusResetContent
}

// withoutURL takes the error out of net/http's, whose text shows the URL with its query.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// finish reads what is left of the body, within limits, and closes it.
func finish(resp *http.Response) {
	if body, ok := resp.Body.(*responseBody); ok {
		body.drain(resp)
		return
	}
	drain(resp)
}

// problem returns the error that a response outside 2xx reports.
func problem(resp *http.Response) error {
	// A body that breaks off says less; the status is known.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, errors.MaxProblemBytes+1))
	wait, _ := httpconv.ParseRetryAfter(resp.Header.Get(httpconv.RetryAfter), time.Now())
	reported := errors.Response{
		Status:         resp.StatusCode,
		Body:           body,
		RetryAfter:     wait,
		RetryExhausted: resp.Header.Get(httpconv.RetryExhausted) != "",
	}
	if resp.Request != nil {
		reported.URL = resp.Request.URL // of the last redirect
	}
	return errors.DecodeProblem(reported)
}

func maxBytes(client *http.Client) int64 {
	if t, ok := client.Transport.(*transport); ok {
		return t.cfg.MaxResponseBytes
	}
	return defaultMaxResponseBytes
}

func decode[T any](resp *http.Response, limit int64, into *T) error {
	if contentType := resp.Header.Get("Content-Type"); !isJSON(contentType) {
		return errors.Internal.Wrap(fmt.Errorf("%w: its content type is %q", ErrNotJSON, contentType), "")
	}
	body, err := readAll(resp, limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return errors.Internal.Wrap(fmt.Errorf("%w: %w", ErrNotJSON, err), "")
	}
	return nil
}

// isJSON accepts application/json, every type that ends in +json, and a response that does not say.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

func readAll(resp *http.Response, limit int64) ([]byte, error) {
	tooLarge := errors.Internal.Wrap(fmt.Errorf("%w: more than %d bytes", ErrBodyTooLarge, limit), "")
	if limit < 0 || limit == math.MaxInt64 { // of which the byte beyond cannot be asked for
		return readBody(resp.Body)
	}
	if resp.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := readBody(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, tooLarge
	}
	return body, err
}

func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the response: %w", bodyFault(err))
	}
	return body, nil
}

// bodyFault gives the error of a body that broke off its code. A timeout and the end of the caller's
// context have theirs.
func bodyFault(err error) error {
	if errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return &transportError{err, errors.Unavailable}
}
