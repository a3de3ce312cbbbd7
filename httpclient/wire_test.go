package httpclient_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// A wire is the server's end of one connection, under TLS. What it does goes out as it is.
type wire struct {
	*tls.Conn
	in   *bufio.Reader
	tcp  *net.TCPConn
	stop <-chan struct{} // closed at the end of the test: until then, a stalled wire waits
}

func (w *wire) send(text string) { _, _ = io.WriteString(w, text) }
func (w *wire) stall()           { <-w.stop }

// reset closes the connection so that the other side gets an RST.
func (w *wire) reset() {
	_ = w.tcp.SetLinger(0)
	_ = w.tcp.Close()
}

// request reads the headers of a request of HTTP/1.1, and reports whether there was one.
func (w *wire) request() bool {
	req, err := http.ReadRequest(w.in)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err == nil
}

// frame writes a frame of HTTP/2 (RFC 9113, section 4.1).
func (w *wire) frame(kind, flags byte, stream uint32, payload ...byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[5:], stream)
	_, _ = w.Write(append(head, payload...))
}

const (
	frameData, frameHeaders, frameReset, frameSettings, frameGoAway = 0, 1, 3, 4, 7
	flagAck, flagEndStream, flagEndHeaders                          = 1, 1, 4
)

// stream reads frames until a request begins, and returns its stream; 0 at the end of the connection.
func (w *wire) stream() uint32 {
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(w.in, head); err != nil {
			return 0
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, w.in, length); err != nil {
			return 0
		}
		switch {
		case head[3] == frameHeaders:
			return binary.BigEndian.Uint32(head[5:])
		case head[3] == frameSettings && head[4]&flagAck == 0:
			w.frame(frameSettings, flagAck, 0)
		}
	}
}

// hello is a server's part of the beginning of HTTP/2.
func (w *wire) hello() {
	_, _ = io.CopyN(io.Discard, w.in, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	w.frame(frameSettings, 0, 0)
}

// status200 is ":status: 200" of the static table of RFC 7541.
const status200 = 0x88

// wireServer runs serve on each connection.
func wireServer(t *testing.T, protocol string, serve func(*wire)) (url string, roots *x509.CertPool, connections *atomic.Int64) {
	t.Helper()
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	roots = x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	cfg := &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{protocol}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			running.Go(func() {
				defer conn.Close()
				secure := tls.Server(conn, cfg)
				if secure.Handshake() == nil {
					serve(&wire{secure, bufio.NewReader(secure), conn.(*net.TCPConn), stop})
				}
			})
		}
	})
	t.Cleanup(func() {
		close(stop)
		_ = listener.Close()
		running.Wait()
	})
	return "https://" + listener.Addr().String(), roots, connections
}

// wireFaults are what can go wrong between two machines, and what becomes of a GET.
var wireFaults = map[string]struct {
	protocol string
	serve    func(*wire)
	want     string // the status and the body, or the code of the error; then the connections, if that is sure
}{
	"reset after the request":    {"http/1.1", func(w *wire) { w.request(); w.reset() }, "unavailable, 3"},
	"closed after the request":   {"http/1.1", func(w *wire) { w.request() }, "unavailable, 3"},
	"reset within the headers":   {"http/1.1", func(w *wire) { w.request(); w.send("HTTP/1.1 200 OK\r\nConte"); w.reset() }, "unavailable, 3"},
	"half-closed in the headers": {"http/1.1", func(w *wire) { w.request(); w.send("HTTP/1.1 200"); _ = w.CloseWrite(); w.stall() }, "unavailable, 3"},
	"half-closed in the body": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		_ = w.CloseWrite()
		w.stall()
	}, `200 "hello" unavailable, 1`},
	"garbage":       {"http/1.1", func(w *wire) { w.request(); w.send("\x00\xff\x13\x37 nonsense\r\n\r\n") }, "unavailable, 3"},
	"another world": {"http/1.1", func(w *wire) { w.request(); w.send("SSH-2.0-OpenSSH_9.6\r\n") }, "unavailable, 3"},
	"trickled bytes": {"http/1.1", func(w *wire) {
		w.request()
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") {
			w.send(string(b))
		}
	}, `200 "hello", 1`},
	"stalled before the headers": {"http/1.1", func(w *wire) { w.request(); w.stall() }, "deadline_exceeded"},
	"stalled in the headers":     {"http/1.1", func(w *wire) { w.request(); w.send("HTTP/1.1 200 OK\r\nX-A: "); w.stall() }, "deadline_exceeded"},
	"stalled in the body": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		w.stall()
	}, `200 "hello" deadline_exceeded, 1`},
	"truncated body": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
	}, `200 "hello" unavailable, 1`},
	"reset in the body": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		w.reset()
	}, `200 "hello" unavailable, 1`},
	"truncated chunks": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	}, `200 "hello" unavailable, 1`},
	"broken chunks": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n")
	}, `200 "" unavailable, 1`},
	"more than announced": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	}, `200 "hello", 1`},
	"two lengths": {"http/1.1", func(w *wire) {
		w.request()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
	}, "unavailable, 3"},
	"negative length":   {"http/1.1", func(w *wire) { w.request(); w.send("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello") }, "unavailable, 3"},
	"no TLS afterwards": {"http/1.1", func(w *wire) { w.request(); _, _ = w.tcp.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) }, "unavailable, 3"},
	"reset of a connection that was idle": {"http/1.1", func(w *wire) {
		if w.request() {
			w.send("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")
		}
		w.request()
		w.reset()
	}, `503 "", 3`},

	"h2: reset":         {"h2", func(w *wire) { w.hello(); w.stream(); w.reset() }, "unavailable, 3"},
	"h2: closed":        {"h2", func(w *wire) { w.hello(); w.stream() }, "unavailable, 3"},
	"h2: garbage":       {"h2", func(w *wire) { w.hello(); w.stream(); w.send(strings.Repeat("nonsense", 10)) }, "unavailable, 3"},
	"h2: stalled":       {"h2", func(w *wire) { w.hello(); w.stream(); w.stall() }, "deadline_exceeded"},
	"h2: stream failed": {"h2", func(w *wire) { w.hello(); w.streams(func(s uint32) { w.frame(frameReset, 0, s, 0, 0, 0, 2) }) }, "unavailable, 1"},
	"h2: stream reset in the body": {"h2", func(w *wire) {
		w.hello()
		w.streams(func(s uint32) {
			w.frame(frameHeaders, flagEndHeaders, s, status200)
			w.frame(frameData, 0, s, []byte("hello")...)
			w.frame(frameReset, 0, s, 0, 0, 0, 2)
		})
	}, `200 "hello" unavailable, 1`},
	"h2: stalled in the body": {"h2", func(w *wire) {
		w.hello()
		s := w.stream()
		w.frame(frameHeaders, flagEndHeaders, s, status200)
		w.frame(frameData, 0, s, []byte("hello")...)
		w.stall()
	}, `200 "hello" deadline_exceeded, 1`},
	"h2: truncated body": {"h2", func(w *wire) {
		w.hello()
		s := w.stream()
		w.frame(frameHeaders, flagEndHeaders, s, status200, 0x0f, 0x0d, 0x03, '1', '0', '0') // content-length: 100
		w.frame(frameData, flagEndStream, s, []byte("hello")...)
		w.stall()
	}, `200 "hello" unavailable, 1`},
	"h2: GOAWAY after the stream": {"h2", func(w *wire) {
		w.hello()
		s := w.stream()
		w.frame(frameGoAway, 0, 0, 0, 0, 0, byte(s), 0, 0, 0, 0)
		w.frame(frameHeaders, flagEndHeaders, s, status200)
		w.frame(frameData, flagEndStream, s, []byte("hello")...)
		w.stall()
	}, `200 "hello", 1`},
	"h2: GOAWAY with an error": {"h2", func(w *wire) {
		w.hello()
		s := w.stream()
		w.frame(frameGoAway, 0, 0, 0, 0, 0, byte(s), 0, 0, 0, 2)
	}, "unavailable, 3"},
}

// streams answers each request of a connection.
func (w *wire) streams(answer func(stream uint32)) {
	for s := w.stream(); s != 0; s = w.stream() {
		answer(s)
	}
}

func TestFaultsOnTheWireHaveTheirVerdictAndLeaveNothing(t *testing.T) {
	for name, fault := range wireFaults {
		t.Run(name, func(t *testing.T) {
			url, roots, connections := wireServer(t, fault.protocol, fault.serve)
			recorder := httpclienttest.NewRecorder(&http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			})
			cfg := httpclient.Config{
				Timeout: -1, AttemptTimeout: -1, BodyIdleTimeout: -1, // a slow machine is no fault of the wire
				Retry: resilience.RetryConfig{Backoff: resilience.Backoff{Base: -1}},
			}
			switch {
			case fault.want == "deadline_exceeded":
				cfg.AttemptTimeout = 200 * time.Millisecond
			case strings.Contains(fault.want, "deadline_exceeded"):
				cfg.BodyIdleTimeout = time.Second
			}
			client := newClient(t, recorder, cfg)
			got := verdictOf(t, client, recorder, url)
			if got = fmt.Sprintf("%s, %d", got, connections.Load()); !strings.HasPrefix(got, fault.want) {
				t.Errorf("got %s; want %s", got, fault.want)
			}
			recorder.Check(t)
		})
	}
}

// verdictOf makes a call, in a function of its own so that nothing of it is held afterwards.
func verdictOf(t *testing.T, client *http.Client, recorder *httpclienttest.Recorder, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	recorder.Watch(req)
	resp, err := client.Do(req)
	if err != nil {
		if errors.Exhausted(err) != (len(recorder.Requests()) > 1) {
			t.Errorf("%v: exhausted %v after %d attempts", err, errors.Exhausted(err), len(recorder.Requests()))
		}
		return errors.CodeOf(err).String()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	verdict := fmt.Sprintf("%d %q", resp.StatusCode, body)
	if err == nil {
		return verdict
	}
	// The helpers give the errors of a body their code; here it is a timeout's, or nobody's.
	if _, timeout := errors.AsType[*httpclient.TimeoutError](err); timeout {
		return verdict + " deadline_exceeded"
	}
	return verdict + " unavailable"
}
