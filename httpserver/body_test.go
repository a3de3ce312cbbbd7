package httpserver_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/httpserver"
)

// endless is a body that nobody could hold in memory.
type endless struct{ read int64 }

func (e *endless) Read(b []byte) (int, error) {
	clear(b)
	e.read += int64(len(b))
	return len(b), nil
}

func swallow(_ http.ResponseWriter, r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	return err
}

func TestHugeBodyIsRefusedUnread(t *testing.T) {
	body := new(endless)
	r := httptest.NewRequest(http.MethodPut, "/", body)
	r.ContentLength = 10 << 30
	o := observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{})
	w := o.call(r)
	if p := problemOf(t, w); w.Code != 413 || p["reason"] != "BODY_TOO_LARGE" || p["detail"] != "The request body may have at most 1048576 bytes." {
		t.Errorf("answer = %d %v", w.Code, p)
	}
	if body.read != 0 {
		t.Errorf("%d bytes were read", body.read)
	}
}

func TestHugeBodyOfUnknownLengthEndsAtTheLimit(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"all":   observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{}),
		"alone": httpserver.LimitBody(httpserver.HandlerFunc(swallow), 0),
	} {
		body := new(endless)
		r := httptest.NewRequest(http.MethodPut, "/", body)
		r.ContentLength = -1
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if p := problemOf(t, w); w.Code != 413 || p["reason"] != "BODY_TOO_LARGE" {
			t.Errorf("%s: answer = %d %v", name, w.Code, p)
		}
		if body.read > 2<<20 {
			t.Errorf("%s: %d bytes were read", name, body.read)
		}
	}
}

// On a real connection the client is told that it need not go on sending.
func TestHugeBodyEndsTheConnection(t *testing.T) {
	server := httptest.NewServer(observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{MaxBodyBytes: 1000}))
	defer server.Close()
	res, err := server.Client().Post(server.URL, "text/plain", io.LimitReader(new(endless), 2000))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("status = %d, connection ended %v", res.StatusCode, res.Close)
	}
}

// On the way in, the innermost limit counts, whether it is larger or smaller.
func TestRouteHasALimitOfItsOwn(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	middleware := func(next http.Handler) http.Handler { // with a request of its own
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/server", httpserver.HandlerFunc(swallow))
	mux.Handle("/less", httpserver.LimitBody(httpserver.HandlerFunc(swallow), 10))
	mux.Handle("/more", middleware(httpserver.LimitBody(httpserver.Recover(httpserver.HandlerFunc(swallow), silent), 1000)))
	mux.Handle("/none", httpserver.LimitBody(httpserver.HandlerFunc(swallow), -1))
	mux.Handle("/json", httpserver.LimitBody(httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		_, err := httpserver.DecodeJSON[string](r)
		return err
	}), 3<<20))
	o := observe(t, mux, httpserver.Config{MaxBodyBytes: 100})
	tests := []struct {
		path  string
		bytes int
		want  int
	}{
		{"/server", 100, 200}, {"/server", 101, 413},
		{"/less", 10, 200}, {"/less", 11, 413},
		{"/more", 1000, 200}, {"/more", 1001, 413},
		{"/none", 1 << 20, 200},
		{"/json", 2 << 20, 200}, {"/json", 4 << 20, 413},
	}
	for _, test := range tests {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPut, test.path, strings.NewReader(`"`+strings.Repeat("x", test.bytes-2)+`"`))
			r.Header.Set("Content-Type", "application/json")
			if chunked {
				r.ContentLength = -1
			}
			if w := o.call(r); w.Code != test.want {
				t.Errorf("%s, %d bytes, chunked %v: status = %d, want %d", test.path, test.bytes, chunked, w.Code, test.want)
			}
		}
	}
}

// A client that asks before it sends is told not to.
func TestHugeBodyIsNotAskedFor(t *testing.T) {
	server := httptest.NewServer(observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: orders\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", 10<<30); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(conn) // the server ends the connection
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte("HTTP/1.1 413 ")) || !bytes.Contains(raw, []byte("\r\nConnection: close\r\n")) {
		t.Errorf("answer = %s", raw)
	}
}

// A body of 10 GB that is sent all the same costs neither memory nor patience: what arrives is the answer.
func TestHugeBodyIsCutOff(t *testing.T) {
	server := httptest.NewServer(observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{}))
	defer server.Close()
	for name, header := range map[string]string{
		"length":  "Content-Length: 10737418240",
		"chunked": "Transfer-Encoding: chunked",
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan []byte, 1)
		go func() {
			raw, _ := io.ReadAll(conn)
			answer <- raw
		}()
		_, err = fmt.Fprintf(conn, "PUT / HTTP/1.1\r\nHost: orders\r\n%s\r\n\r\n", header)
		sent, chunk := 0, []byte("8000\r\n"+strings.Repeat("x", 0x8000)+"\r\n")
		for err == nil && sent < 10<<30 {
			var n int
			n, err = conn.Write(chunk)
			sent += n
		}
		if raw := <-answer; !bytes.HasPrefix(raw, []byte("HTTP/1.1 413 ")) {
			t.Errorf("%s: answer = %q", name, raw)
		}
		_ = conn.Close()
		if sent > 100<<20 {
			t.Errorf("%s: %d bytes were taken", name, sent)
		}
	}
}

func TestBodyLimitCanBeSetAndTurnedOff(t *testing.T) {
	for limit, want := range map[int64]int{10: 413, 11: 200, -1: 200} {
		o := observe(t, httpserver.HandlerFunc(swallow), httpserver.Config{MaxBodyBytes: limit})
		if w := o.call(httptest.NewRequest(http.MethodPut, "/", strings.NewReader("hello world"))); w.Code != want {
			t.Errorf("limit %d: status = %d, want %d", limit, w.Code, want)
		}
	}
}
