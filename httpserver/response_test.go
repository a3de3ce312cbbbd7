package httpserver_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// One type for each optional interface, to be put together in every way.
type (
	bare     struct{ http.ResponseWriter }
	flusher  struct{ calls *[]string }
	hijacker struct{ calls *[]string }
	reader   struct{ calls *[]string }
	pusher   struct{ calls *[]string }
)

func (f flusher) Flush() { *f.calls = append(*f.calls, "flush") }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	*h.calls = append(*h.calls, "hijack")
	return nil, nil, nil
}
func (r reader) ReadFrom(src io.Reader) (int64, error) {
	*r.calls = append(*r.calls, "read from")
	return io.Copy(io.Discard, src)
}
func (p pusher) Push(string, *http.PushOptions) error {
	*p.calls = append(*p.calls, "push")
	return nil
}

func TestOptionalInterfacesAreThoseOfTheWriterBelow(t *testing.T) {
	var calls []string
	f, h, r, p := flusher{&calls}, hijacker{&calls}, reader{&calls}, pusher{&calls}
	w := bare{httptest.NewRecorder()}
	writers := []http.ResponseWriter{
		w,
		struct {
			bare
			flusher
		}{w, f},
		struct {
			bare
			hijacker
		}{w, h},
		struct {
			bare
			flusher
			hijacker
		}{w, f, h},
		struct {
			bare
			reader
		}{w, r},
		struct {
			bare
			flusher
			reader
		}{w, f, r},
		struct {
			bare
			hijacker
			reader
		}{w, h, r},
		struct {
			bare
			flusher
			hijacker
			reader
		}{w, f, h, r},
		struct {
			bare
			pusher
		}{w, p},
		struct {
			bare
			flusher
			pusher
		}{w, f, p},
		struct {
			bare
			hijacker
			pusher
		}{w, h, p},
		struct {
			bare
			flusher
			hijacker
			pusher
		}{w, f, h, p},
		struct {
			bare
			reader
			pusher
		}{w, r, p},
		struct {
			bare
			flusher
			reader
			pusher
		}{w, f, r, p},
		struct {
			bare
			hijacker
			reader
			pusher
		}{w, h, r, p},
		struct {
			bare
			flusher
			hijacker
			reader
			pusher
		}{w, f, h, r, p},
	}
	for i, below := range writers {
		calls = nil
		var want, got []string
		for bit, name := range []string{"flush", "hijack", "read from", "push"} {
			if i&(1<<bit) != 0 && name != "hijack" {
				want = append(want, name)
			}
		}
		if i&2 != 0 {
			want = append(want, "hijack") // last: after it nothing works any more
		}
		httpserver.Recover(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			if r, ok := w.(io.ReaderFrom); ok {
				_, _ = r.ReadFrom(strings.NewReader("x"))
			}
			if p, ok := w.(http.Pusher); ok {
				_ = p.Push("/", nil)
			}
			if h, ok := w.(http.Hijacker); ok {
				_, _, _ = h.Hijack()
			}
			got = calls
		}), nil).ServeHTTP(below, httptest.NewRequest(http.MethodGet, "/", nil))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("writer %04b: calls = %v, want %v", i, got, want)
		}
	}
}

// On a real connection: the controller's deadlines, full duplex, flush and hijack, through every layer.
func TestResponseControllerReachesTheConnection(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(
			rc.SetReadDeadline(time.Now().Add(time.Hour)),
			rc.SetWriteDeadline(time.Now().Add(time.Hour)),
			rc.EnableFullDuplex(),
		); err != nil {
			t.Error(err)
		}
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("the writer has lost io.ReaderFrom, and with it sendfile")
		}
		conn, buf, err := rc.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = buf.Flush()
	}), httpserver.Config{})
	server := httptest.NewServer(httpserver.AccessLog(httpserver.Recover(o, nil), nil))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("status = %d", res.StatusCode)
	}
}

func TestBodySizeIsCountedHoweverItIsWritten(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	ways := map[string]func(w http.ResponseWriter){
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write([]byte(big)) },
		"WriteString": func(w http.ResponseWriter) { _, _ = io.WriteString(w, big) },
		"ReadFrom":    func(w http.ResponseWriter) { _, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader(big)}) },
		"chunks": func(w http.ResponseWriter) {
			for range 100 {
				_, _ = w.Write([]byte(big[:1000]))
				w.(http.Flusher).Flush()
			}
		},
	}
	for name, write := range ways {
		t.Run(name, func(t *testing.T) {
			o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w) }), httpserver.Config{})
			server := httptest.NewServer(o)
			res, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || !bytes.Equal(body, []byte(big)) {
				t.Errorf("read %d bytes, %v", len(body), err)
			}
			server.Close() // waits for the handler
			if got := o.logs.line(t, "request served")["http.response.body.size"]; got != 100_000.0 {
				t.Errorf("size = %v", got)
			}
		})
	}
}

func TestHandlerThatSaysNothingIs200(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), httpserver.Config{})
	o.get("/")
	if got := o.logs.line(t, "request served")["http.response.status_code"]; got != 200.0 {
		t.Errorf("status = %v", got)
	}
}

// fileTaker is a writer with a fast path for files, as that of net/http.
type fileTaker struct {
	http.ResponseWriter
	took any
}

func (f *fileTaker) ReadFrom(src io.Reader) (int64, error) {
	f.took = src
	return io.Copy(f.ResponseWriter, src)
}

// What io.Copy gets reaches the writer of net/http as it is, so that it can use sendfile.
func TestFileReachesTheConnectionAsAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, stack := range everyMiddleware(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		file, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		if n, err := io.Copy(w, file); n != 7 || err != nil {
			t.Errorf("copied %d bytes, %v", n, err)
		}
	})) {
		w := &fileTaker{ResponseWriter: httptest.NewRecorder()}
		stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders", nil))
		if _, ok := w.took.(syscall.Conn); !ok { // os wraps the file, but does not hide it
			t.Errorf("%s: the writer gets a %T", kind, w.took)
		}
	}
}

// HTTP/2 has other interfaces than HTTP/1.1, and they are kept just so.
func TestHTTP2WriterKeepsItsInterfaces(t *testing.T) {
	o := observe(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(
			rc.SetReadDeadline(time.Now().Add(time.Hour)), rc.SetWriteDeadline(time.Now().Add(time.Hour)), rc.EnableFullDuplex(),
		); err != nil {
			t.Error(err)
		}
		_, flusher := w.(http.Flusher)
		_, pusher := w.(http.Pusher)
		_, hijacker := w.(http.Hijacker)
		if r.ProtoMajor != 2 || !flusher || !pusher || hijacker {
			t.Errorf("%s: flusher %v, pusher %v, hijacker %v", r.Proto, flusher, pusher, hijacker)
		}
		// An echo, event by event: the client sends the next when it has read the last.
		_ = rc.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = io.WriteString(w, lines.Text()+"!\n")
			_ = rc.Flush()
		}
	}), httpserver.Config{})
	server := httptest.NewUnstartedServer(o)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answers := bufio.NewScanner(res.Body)
	for _, word := range []string{"one", "two", "three"} {
		_, _ = io.WriteString(send, word+"\n")
		if !answers.Scan() || answers.Text() != word+"!" {
			t.Errorf("answer = %q, %v", answers.Text(), answers.Err())
		}
	}
	_ = send.Close()
	if answers.Scan() || answers.Err() != nil {
		t.Errorf("the end: %q, %v", answers.Text(), answers.Err())
	}
}

// A connection that a handler takes over, as a WebSocket does, is its own from then on.
func TestHijackedConnectionTalksBothWays(t *testing.T) {
	o := observe(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = buf.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = buf.Flush()
		line, err := buf.ReadString('\n')
		if err != nil {
			return err
		}
		_, _ = buf.WriteString("you said " + line)
		_ = buf.Flush()
		return errors.Internal.New("Too late to be told.")
	}), httpserver.Config{})
	done := make(chan struct{}) // net/http does not wait for the handler of such a connection
	server := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		o.ServeHTTP(w, r)
	}))
	raw := exchangeBytes(t, server.Listener.Addr(), "GET / HTTP/1.1\r\nHost: orders\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
	if !strings.HasPrefix(raw, "HTTP/1.1 101 ") || !strings.HasSuffix(raw, "\r\n\r\nyou said hello\n") {
		t.Errorf("response = %q", raw)
	}
	<-done
	line := o.logs.line(t, "request failed after its response had begun")
	if line["http.response.status_code"] != 101.0 {
		t.Errorf("line = %v", line)
	}
}
