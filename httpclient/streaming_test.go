package httpclient_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
)

// A download sends its bytes in pieces, a second apart, and then no more until its context ends.
type download struct {
	ctx    context.Context
	pieces int
	left   int64 // of the piece
	stalls bool
	closed bool
}

const piece = 16 << 20

func (d *download) RoundTrip(req *http.Request) (*http.Response, error) {
	d.ctx = req.Context()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: d, ContentLength: -1, Request: req}, nil
}

func (d *download) Read(p []byte) (int, error) {
	if d.left == 0 {
		switch {
		case d.pieces == 0 && d.stalls:
			<-d.ctx.Done()
			return 0, context.Cause(d.ctx)
		case d.pieces == 0:
			return 0, io.EOF
		case d.ctx.Err() != nil:
			return 0, context.Cause(d.ctx)
		}
		time.Sleep(time.Second)
		d.pieces, d.left = d.pieces-1, piece
	}
	n := int(min(d.left, int64(len(p))))
	clear(p[:n])
	d.left -= int64(n)
	return n, nil
}

func (d *download) Close() error { d.closed = true; return nil }

// 1 GiB in 64 s: longer than an attempt may take to its headers, and than a call may by default.
func TestLargeDownloadIsNeitherBufferedNorCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &download{pieces: 64}
		ctx := httpclient.With(t.Context(), httpclient.Call{Timeout: -1})
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		client := newClient(t, base, httpclient.Config{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		runtime.ReadMemStats(&after)
		_ = resp.Body.Close()
		if err != nil || n != 1<<30 || time.Since(start) != 64*time.Second {
			t.Errorf("%d bytes, %v after %v; want 1 GiB after 64 s", n, err, time.Since(start))
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
			t.Errorf("allocated %d bytes, want at most 1 MiB", allocated)
		}
	})
}

func TestLargeDownloadThatStallsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &download{pieces: 3, stalls: true}
		ctx := httpclient.With(t.Context(), httpclient.Call{Timeout: -1})
		req, _ := http.NewRequestWithContext(ctx, "GET", target, nil)
		start := time.Now()
		resp, err := newClient(t, base, httpclient.Config{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		timeout, ok := errors.AsType[*httpclient.TimeoutError](err)
		if !ok || timeout.Phase != httpclient.PhaseBody || n != 3*piece || time.Since(start) != 13*time.Second || !base.closed {
			t.Errorf("%d bytes, %v after %v, closed %v; want 48 MiB and the idle timeout after 13 s", n, err, time.Since(start), base.closed)
		}
	})
}
