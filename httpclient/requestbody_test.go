package httpclient_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// upload is a body that counts how often it was opened and closed, and makes its bytes as they are read.
type upload struct {
	size           int64
	opened, closed atomic.Int64
}

func (u *upload) open() (io.ReadCloser, error) {
	u.opened.Add(1)
	return &uploadReader{Reader: io.LimitReader(zeroes{}, u.size), upload: u}, nil
}

type uploadReader struct {
	io.Reader
	upload *upload
	closed atomic.Bool
}

func (r *uploadReader) Close() error {
	if !r.closed.Swap(true) {
		r.upload.closed.Add(1)
	}
	return nil
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func (u *upload) request(t testing.TB) *http.Request {
	t.Helper()
	body, _ := u.open()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = u.size
	req.GetBody = u.open
	return req
}

// discards reads the body of each request and fails the first two.
type discards struct {
	attempts int
	lengths  []int64
	read     []int64
}

func (d *discards) RoundTrip(req *http.Request) (*http.Response, error) {
	d.attempts++
	n, err := io.Copy(io.Discard, req.Body)
	if err != nil {
		return nil, err
	}
	d.lengths, d.read = append(d.lengths, req.ContentLength), append(d.read, n)
	if err := req.Body.Close(); err != nil {
		return nil, err
	}
	if d.attempts < 3 {
		return nil, syscall.ECONNRESET
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
}

// go-retryablehttp reads the whole body into memory, although there is a GetBody, and does not close
// the caller's: 64 MiB cost 157 MiB.
func TestBodiesAreStreamedRewoundAndClosed(t *testing.T) {
	const size = 1 << 30
	base := &discards{}
	client := newClient(t, base, httpclient.Config{Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}}})
	body := &upload{size: size}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := client.Do(body.request(t))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
		t.Errorf("allocated %d bytes, want at most 1 MiB", allocated)
	}
	for i := range base.read {
		if base.read[i] != size || base.lengths[i] != size {
			t.Errorf("attempt %d: sent %d bytes of %d announced, want %d", i+1, base.read[i], base.lengths[i], size)
		}
	}
	if base.attempts != 3 || body.opened.Load() != 3 || body.closed.Load() != 3 {
		t.Errorf("%d attempts; body opened %d times, closed %d times; want 3 of each", base.attempts, body.opened.Load(), body.closed.Load())
	}
}

func TestBodyOfUnknownLengthStaysUnknown(t *testing.T) {
	base := &discards{attempts: 2}
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, io.NopCloser(strings.NewReader("abc")))
	resp, err := newClient(t, base, httpclient.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if base.read[0] != 3 || base.lengths[0] != 0 {
		t.Errorf("sent %d bytes with length %d, want 3 bytes and 0, which means unknown", base.read[0], base.lengths[0])
	}
}

func TestBodyThatCannotBeRewoundIsSentOnce(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Status(503))
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, io.NopCloser(strings.NewReader("abc")))
	resp, err := newClient(t, script, httpclient.Config{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if got := len(script.Requests()); got != 1 {
		t.Errorf("%d attempts, want 1", got)
	}
}

func TestBodyIsClosedWhenTheBreakerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Status(500))
		client := newClient(t, script, httpclient.Config{Breaker: resilience.BreakerConfig{MinCalls: 1}})
		for range 2 {
			body := &upload{size: 10}
			resp, err := client.Do(body.request(t))
			if err == nil {
				readAndClose(t, resp)
			}
			if body.opened.Load() != body.closed.Load() {
				t.Errorf("body opened %d times, closed %d times (%v)", body.opened.Load(), body.closed.Load(), err)
			}
		}
		if got := len(script.Requests()); got != 1 {
			t.Errorf("%d attempts, want 1: the breaker is open", got)
		}
	})
}

func TestRedirectWithABodyOpensNoBodyThatNobodyCloses(t *testing.T) {
	script := httpclienttest.NewTransport(
		httpclienttest.Step{Status: 307, Header: http.Header{"Location": {"/there"}}}, httpclienttest.Status(200))
	body := &upload{size: 10}
	resp, err := newClient(t, script, httpclient.Config{}).Do(body.request(t))
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if body.opened.Load() != 2 || body.closed.Load() != 2 {
		t.Errorf("body opened %d times, closed %d times, want 2 of each", body.opened.Load(), body.closed.Load())
	}
	for _, r := range script.Requests() {
		if !bytes.Equal(r.Body, make([]byte, 10)) {
			t.Errorf("%s got %q", r.URL, r.Body)
		}
	}
}

func TestCallersBrokenBodyIsNoFaultOfTheHost(t *testing.T) {
	broken := errors.New("disk is on fire")
	script := httpclienttest.NewTransport(httpclienttest.Status(200))
	client := newClient(t, script, httpclient.Config{Breaker: resilience.BreakerConfig{MinCalls: 1}})
	body := io.NopCloser(io.MultiReader(strings.NewReader("abc"), failing{broken}))
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, body)
	req.GetBody = func() (io.ReadCloser, error) { return body, nil }
	_, err := client.Do(req)
	if !errors.Is(err, broken) || errors.Retryable(err) || len(script.Requests()) != 1 {
		t.Errorf("%v: retryable %v, %d attempts; want the body's error after one", err, errors.Retryable(err), len(script.Requests()))
	}
	if d, _ := httpclient.Describe(client); d.Hosts[0].Breaker != resilience.Closed {
		t.Errorf("breaker is %v, want closed", d.Hosts[0].Breaker)
	}
}

// A transport that lost its connection closes the body, and a file that is closed cannot be read.
func TestBodyThatTheTransportClosedIsNotBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			attempts++
			_ = req.Body.Close()
			if _, err := io.ReadAll(req.Body); err == nil {
				t.Error("the closed body could be read")
			}
			return nil, syscall.ECONNRESET
		})
		open := func() (io.ReadCloser, error) { return &file{}, nil }
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, &file{})
		req.GetBody = open
		_, err := newClient(t, base, httpclient.Config{}).Do(req)
		if attempts != 3 || errors.CodeOf(err) != errors.Unavailable {
			t.Errorf("%v after %d attempts, want unavailable after 3", err, attempts)
		}
	})
}

type file struct{ closed bool }

func (f *file) Close() error { f.closed = true; return nil }

func (f *file) Read([]byte) (int, error) {
	if f.closed {
		return 0, fs.ErrClosed
	}
	return 0, io.EOF
}

func TestGetBodyThatFailsEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("file is gone")
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Body: "later"})
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, strings.NewReader("abc"))
		req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
		_, err := newClient(t, script, httpclient.Config{}).Do(req)
		if !errors.Is(err, gone) || errors.Retryable(err) {
			t.Errorf("%v: retryable %v, want GetBody's error", err, errors.Retryable(err))
		}
		script.Check(t)
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
