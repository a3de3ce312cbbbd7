package httpserver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// response is the http.ResponseWriter that handlers get. It knows whether the header was sent, with
// which status and how many bytes, which is all that errors, logs, spans and metrics ask.
//
// Handlers get it by way of writer, which shows the optional interfaces that the writer below has, and
// no others.
type response struct {
	http.ResponseWriter

	status   int   // of the final header; 0: not sent
	bytes    int64 // of the body
	broken   error // what the first failed write said: the client is gone
	hijacked bool
	streamed bool // sent in parts
	discard  bool // the body was replaced by a problem document

	closing  *atomic.Bool // true: every response ends its connection
	unrouted *exchange    // not nil: turn the mux's own 404 and 405 into problem documents

	values [7]string // backing of header values, to save their allocations
	used   int
}

// started reports whether anything was sent, so that nothing else can be.
func (rw *response) started() bool { return rw.status != 0 || rw.hijacked }

// Unwrap lets http.ResponseController reach the writer below.
func (rw *response) Unwrap() http.ResponseWriter { return rw.ResponseWriter }

func (rw *response) self() *response { return rw }

// set is Header().Set without the allocation. The name must be in canonical form.
func (rw *response) set(name, value string) {
	if rw.used == len(rw.values) {
		rw.Header().Set(name, value)
		return
	}
	i := rw.used
	rw.used++
	rw.values[i] = value
	rw.Header()[name] = rw.values[i : i+1 : i+1]
}

// add puts a token into a list that others may have begun.
func (rw *response) add(name, value string) {
	if h := rw.Header(); len(h[name]) > 0 {
		h.Add(name, value)
		return
	}
	rw.set(name, value)
}

// WriteHeader sends the header. Informational statuses (100 to 199, but not 101) are not the answer
// yet, and more headers may follow them.
func (rw *response) WriteHeader(status int) {
	switch {
	case rw.discard:
		return
	case rw.started():
	case rw.unrouted != nil && rw.unrouted.answersFor(status):
		rw.unrouted.answerUnrouted(status)
		rw.discard = true
		return
	case status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols: // net/http panics beyond
		rw.begin(status)
	}
	rw.ResponseWriter.WriteHeader(status)
}

func (rw *response) begin(status int) {
	rw.status = status
	if status != http.StatusSwitchingProtocols {
		rw.leave()
	}
}

// leave tells the client to leave its connection, if it should.
func (rw *response) leave() {
	if rw.closing != nil && rw.closing.Load() {
		rw.set("Connection", "close")
	}
}

// end is for handlers that say nothing: net/http sends the header when they have returned.
func (rw *response) end() {
	if !rw.started() {
		rw.leave()
	}
}

func (rw *response) Write(b []byte) (int, error) {
	if rw.discard {
		return len(b), nil
	}
	rw.implicit()
	n, err := rw.ResponseWriter.Write(b)
	rw.wrote(int64(n), err)
	return n, err
}

func (rw *response) WriteString(s string) (int, error) {
	if rw.discard {
		return len(s), nil
	}
	rw.implicit()
	n, err := io.WriteString(rw.ResponseWriter, s)
	rw.wrote(int64(n), err)
	return n, err
}

// implicit does what the first Write does to the header.
func (rw *response) implicit() {
	if !rw.started() {
		rw.begin(http.StatusOK)
	}
}

func (rw *response) wrote(n int64, err error) {
	rw.bytes += n
	if err == nil || rw.broken != nil {
		return
	}
	for _, ours := range []error{http.ErrBodyNotAllowed, http.ErrContentLength, http.ErrHijacked, http.ErrHandlerTimeout} {
		if errors.Is(err, ours) {
			return // a mistake of the handler; the connection is fine
		}
	}
	rw.broken = err
}

func (rw *response) flush() error {
	if rw.discard {
		return nil
	}
	rw.implicit()
	rw.streamed = true
	err := http.NewResponseController(rw.ResponseWriter).Flush()
	rw.wrote(0, err)
	return err
}

func (rw *response) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(rw.ResponseWriter).Hijack()
	rw.hijacked = rw.hijacked || err == nil
	return conn, buf, err
}

func (rw *response) readFrom(src io.Reader) (int64, error) {
	if rw.discard {
		return io.Copy(io.Discard, src)
	}
	rw.implicit()
	n, err := rw.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	rw.bytes += n // the error may be the source's, so it says nothing about the client
	return n, err
}

func (rw *response) push(target string, opts *http.PushOptions) error {
	return rw.ResponseWriter.(http.Pusher).Push(target, opts)
}

// writer returns rw with the optional interfaces of the writer below: http.Flusher and http.Hijacker
// where http.ResponseController can do it, io.ReaderFrom and http.Pusher where the writer itself can.
// Every type below holds one pointer, so none of them costs an allocation.
func (rw *response) writer() http.ResponseWriter {
	const flush, hijack, readFrom, push = 1, 2, 4, 8
	has := 0
	for w := rw.ResponseWriter; w != nil; w = unwrapOne(w) {
		switch w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			has |= flush
		}
		if _, ok := w.(http.Hijacker); ok {
			has |= hijack
		}
	}
	if _, ok := rw.ResponseWriter.(io.ReaderFrom); ok {
		has |= readFrom
	}
	if _, ok := rw.ResponseWriter.(http.Pusher); ok {
		has |= push
	}
	switch has {
	case flush:
		return writerF{rw}
	case hijack:
		return writerH{rw}
	case readFrom:
		return writerR{rw}
	case push:
		return writerP{rw}
	case flush | hijack:
		return writerFH{writerF{rw}}
	case flush | readFrom:
		return writerFR{writerF{rw}}
	case flush | push:
		return writerFP{writerF{rw}}
	case hijack | readFrom:
		return writerHR{writerH{rw}}
	case hijack | push:
		return writerHP{writerH{rw}}
	case readFrom | push:
		return writerRP{writerR{rw}}
	case flush | hijack | readFrom:
		return writerFHR{writerFH{writerF{rw}}}
	case flush | hijack | push:
		return writerFHP{writerFH{writerF{rw}}}
	case flush | readFrom | push:
		return writerFRP{writerFR{writerF{rw}}}
	case hijack | readFrom | push:
		return writerHRP{writerHR{writerH{rw}}}
	case flush | hijack | readFrom | push:
		return writerFHRP{writerFHR{writerFH{writerF{rw}}}}
	}
	return rw
}

type (
	writerF    struct{ *response }
	writerH    struct{ *response }
	writerR    struct{ *response }
	writerP    struct{ *response }
	writerFH   struct{ writerF }
	writerFR   struct{ writerF }
	writerFP   struct{ writerF }
	writerHR   struct{ writerH }
	writerHP   struct{ writerH }
	writerRP   struct{ writerR }
	writerFHR  struct{ writerFH }
	writerFHP  struct{ writerFH }
	writerFRP  struct{ writerFR }
	writerHRP  struct{ writerHR }
	writerFHRP struct{ writerFHR }
)

type hijacked = *bufio.ReadWriter

func (w writerF) Flush()            { _ = w.flush() }
func (w writerF) FlushError() error { return w.flush() }

func (w writerH) Hijack() (net.Conn, hijacked, error)  { return w.hijack() }
func (w writerFH) Hijack() (net.Conn, hijacked, error) { return w.hijack() }

func (w writerR) ReadFrom(src io.Reader) (int64, error)   { return w.readFrom(src) }
func (w writerFR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w writerHR) ReadFrom(src io.Reader) (int64, error)  { return w.readFrom(src) }
func (w writerFHR) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

func (w writerP) Push(target string, opts *http.PushOptions) error    { return w.push(target, opts) }
func (w writerFP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w writerHP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w writerRP) Push(target string, opts *http.PushOptions) error   { return w.push(target, opts) }
func (w writerFHP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w writerFRP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w writerHRP) Push(target string, opts *http.PushOptions) error  { return w.push(target, opts) }
func (w writerFHRP) Push(target string, opts *http.PushOptions) error { return w.push(target, opts) }

// tracked returns the response behind w and the writer to hand on. A writer that is not one of ours,
// also one that somebody wrapped around ours (it may hold bytes back), gets a response of its own.
func tracked(w http.ResponseWriter) (*response, http.ResponseWriter) {
	if own, ok := w.(interface{ self() *response }); ok {
		return own.self(), w
	}
	rw := &response{ResponseWriter: w}
	return rw, rw.writer()
}

// bottom returns the writer under all wrappers: http.MaxBytesReader tells it, by an unexported method,
// to end the connection.
func bottom(w http.ResponseWriter) http.ResponseWriter {
	for {
		below := unwrapOne(w)
		if below == nil {
			return w
		}
		w = below
	}
}

func unwrapOne(w http.ResponseWriter) http.ResponseWriter {
	if u, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return u.Unwrap()
	}
	return nil
}
