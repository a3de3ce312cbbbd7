package tracing

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A receipt is what a collector says about an export that it took, if only a part of it. The exporters
// return that as an error whose count is in the text alone, so it is read on its way to them.
type receipt struct {
	partial  atomic.Bool
	rejected atomic.Int64
}

type receiptKey struct{}

func withReceipt(ctx context.Context) (context.Context, *receipt) {
	r := &receipt{}
	return context.WithValue(ctx, receiptKey{}, r), r
}

// lost returns how many of n items are lost where the exporter has returned an error. A partial success
// that rejects nothing is a warning (OTLP specification, "Partial Success").
func (r *receipt) lost(n int) int {
	if r.partial.Load() {
		return int(max(0, min(r.rejected.Load(), int64(n))))
	}
	return n
}

// note writes what the response of an export, whatever its signal, says on the receipt in ctx.
func note(ctx context.Context, response []byte) {
	r, ok := ctx.Value(receiptKey{}).(*receipt)
	if !ok {
		return
	}
	// The three signals' responses are the same message but for its name.
	var message tracepb.ExportTraceServiceResponse
	if proto.Unmarshal(response, &message) != nil {
		return // the exporter says so
	}
	if partial := message.GetPartialSuccess(); partial != nil {
		r.partial.Store(true)
		r.rejected.Store(partial.GetRejectedSpans())
	}
}

// noteHTTP reads the body of a response that may tell of a partial success, and puts it back.
func noteHTTP(ctx context.Context, response *http.Response) {
	const limit = 64 << 10 // a longer one is the exporter's to refuse
	if response.StatusCode/100 != 2 || response.Header.Get("Content-Type") != "application/x-protobuf" {
		return
	}
	head, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err == nil && len(head) < limit {
		note(ctx, head)
	}
	response.Body = readAgain(head, &failing{response.Body, err}, response.Body)
}

// readAgain returns a body of what was read of another, and of what follows.
func readAgain(head []byte, rest io.Reader, body io.Closer) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), body}
}

// failing continues a body that was read so far, with the error that ended the reading.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Reader.Read(p)
}
