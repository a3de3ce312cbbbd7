package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/memnet"
)

// dialled makes one request and tells which connection it went by.
func dialled(t *testing.T, transport http.RoundTripper, req *http.Request) (conn string, res *http.Response) {
	t.Helper()
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { conn = info.Conn.LocalAddr().String() },
	})
	res, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	return conn, res
}

// post is a request that net/http's client does not repeat by itself when a connection breaks.
func post(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("order"))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res, errors.Join(err, res.Body.Close())
}

// The whole stop in virtual time: many clients on connections that they keep, each calling again as
// soon as it is answered. Half of them leave when a load balancer has seen that readiness is off, the
// others not before they are refused.
func TestStopBreaksNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s, stop, lines := started(t, httpserver.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			time.Sleep(200 * time.Millisecond)
			return httpserver.WriteJSON(w, 200, "ok")
		}), httpserver.Config{})
		client := clientOf(t, l)
		var served atomic.Int64
		var clients sync.WaitGroup
		noticed := make(chan struct{}) // by the load balancer
		for i := range 40 {
			clients.Go(func() {
				time.Sleep(time.Duration(i) * 5 * time.Millisecond)
				for {
					select {
					case <-noticed:
						if i%2 == 0 {
							return
						}
					default:
					}
					res, err := post(t.Context(), client, "http://orders.example.com/")
					if errors.Is(err, memnet.ErrRefused) {
						return
					}
					if err != nil || res.StatusCode != 200 {
						t.Errorf("request broken: %v", err)
						return
					}
					served.Add(1)
				}
			})
		}
		prober := clientOf(t, l)
		clients.Go(func() {
			for {
				time.Sleep(2 * time.Second)
				if res, _ := get(t, prober, "/readyz"); res.StatusCode == 503 {
					close(noticed)
					return
				}
			}
		})
		time.Sleep(time.Second)
		began := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		took := time.Since(began)
		clients.Wait()
		if took < 5*time.Second || took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
		if served.Load() < 500 {
			t.Errorf("only %d requests", served.Load())
		}
		select {
		case <-s.Draining():
		default:
			t.Error("Draining is open")
		}
		lines.line(t, "http server draining")
		lines.line(t, "http server stopped")
	})
}

// The first step alone, for a program that decides how long it waits: everybody is told, and nobody is refused until Run's
// context ends.
func TestStartDrainingTellsEverybodyAndRefusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s, stop, lines := started(t, failing(nil), httpserver.Config{DrainDelay: -1})
		client := clientOf(t, l)
		for range 2 { // a second call changes nothing
			s.StartDraining()
		}
		<-s.Draining()
		time.Sleep(time.Hour)
		if res, _ := get(t, client, "/"); res.StatusCode != http.StatusOK || !res.Close {
			t.Errorf("a request: %d, close %v", res.StatusCode, res.Close)
		}
		if res, _ := get(t, client, "/readyz"); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("readyz = %d", res.StatusCode)
		}
		began := time.Now()
		if err := stop(); err != nil || time.Since(began) > time.Second {
			t.Errorf("Run = %v after %v", err, time.Since(began))
		}
		if n := strings.Count(lines.String(), "http server draining"); n != 1 {
			t.Errorf("%d lines say that the server drains", n)
		}
	})
}

// Step by step: what a client sees at each moment of the stop.
func TestStopInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		admin := memnet.Listen()
		handler := http.NewServeMux()
		handler.Handle("/", failing(nil))
		handler.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
		handler.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(8 * time.Second) })
		l, _, stop, _ := started(t, handler, httpserver.Config{AdminListener: admin})
		client, probes := clientOf(t, l), clientOf(t, admin)
		closes := func(path string) bool {
			res, _ := get(t, client, path)
			return res.Close
		}
		if closes("/") || closes("/livez") {
			t.Error("connections are ended before the stop")
		}
		if res, _ := get(t, probes, "/readyz"); res.StatusCode != 200 {
			t.Errorf("readyz = %d", res.StatusCode)
		}

		slow := make(chan bool, 1)
		go func() { slow <- closes("/slow") }() // begun before the stop, answered after it has begun
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- stop() }()
		synctest.Wait()

		for _, path := range []string{"/", "/nowhere", "/panic", "/livez", "/readyz"} {
			if !closes(path) {
				t.Errorf("%s does not say Connection: close", path)
			}
		}
		if res, _ := get(t, probes, "/readyz"); res.StatusCode != 503 {
			t.Errorf("readyz = %d", res.StatusCode)
		}
		time.Sleep(4900 * time.Millisecond)
		if !closes("/") {
			t.Error("the server no longer accepts, or keeps connections")
		}
		time.Sleep(200 * time.Millisecond)
		if _, err := post(t.Context(), client, "http://orders.example.com/"); !errors.Is(err, memnet.ErrRefused) {
			t.Errorf("after the delay: %v, want a refused connection", err)
		}
		if res, _ := get(t, probes, "/livez"); res.StatusCode != 200 {
			t.Errorf("the admin address is gone too early")
		}
		if !<-slow {
			t.Error("a request that was in hand does not end its connection")
		}
		if err := <-stopped; err != nil {
			t.Errorf("Run = %v", err)
		}
		if _, err := post(t.Context(), probes, "http://orders.example.com/livez"); err == nil {
			t.Error("the admin address is still served")
		}
	})
}

func TestStuckRequestsAreCutAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		handler := http.NewServeMux()
		handler.Handle("/listens", httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return fmt.Errorf("query: %w", r.Context().Err())
		}))
		handler.Handle("/deaf", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
		l, _, stop, _ := started(t, handler, httpserver.Config{RequestTimeout: -1})
		client := clientOf(t, l)
		answers := make(chan string, 2)
		for _, path := range []string{"/listens", "/deaf"} {
			go func() {
				res, err := post(t.Context(), client, "http://orders.example.com"+path)
				if err != nil {
					answers <- path + " cut off"
					return
				}
				answers <- fmt.Sprint(path, " ", res.StatusCode)
			}()
		}
		synctest.Wait()
		began := time.Now()
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "2 requests were cut off") || !strings.Contains(err.Error(), "1 did not end") {
			t.Errorf("Run = %v", err)
		}
		if took := time.Since(began); took < 16*time.Second || took > 16500*time.Millisecond {
			t.Errorf("the stop took %v, want 5 s of delay, 10 s of drain and 1 s", took)
		}
		// What our stop cut off is unavailable, not canceled.
		got := map[string]bool{<-answers: true, <-answers: true}
		if !got["/listens 503"] || !got["/deaf cut off"] {
			t.Errorf("answers = %v", got)
		}
		close(released)
	})
}

func TestNoDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, stop, _ := started(t, failing(nil), httpserver.Config{DrainDelay: -1})
		began := time.Now()
		if err := stop(); err != nil || time.Since(began) > time.Second {
			t.Errorf("Run = %v after %v", err, time.Since(began))
		}
	})
}

func TestCloseEndsTheDrainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s, stop, _ := started(t, httpserver.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		}), httpserver.Config{DrainDelay: time.Hour, DrainTimeout: -1})
		go func() { _, _ = post(t.Context(), clientOf(t, l), "http://orders.example.com/") }()
		synctest.Wait()
		time.AfterFunc(time.Minute, func() { _ = s.Close() })
		began := time.Now()
		_ = stop()
		if took := time.Since(began); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

// net/http does not wait for hijacked connections; the drain does.
func TestHijackedConnectionsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, stop, _ := started(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			select {
			case <-time.After(9 * time.Second):
			case <-r.Context().Done():
				t.Error("the context ended")
			}
			_, _ = io.WriteString(conn, "bye")
		}), httpserver.Config{})
		conn, err := l.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: orders.example.com\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		said := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(conn)
			said <- string(b)
		}()
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		if got := <-said; got != "bye" {
			t.Errorf("conn said %q", got)
		}
	})
}

// The same on loopback, with real connections and real time: what is accepted is answered.
func TestStopUnderLoadOnLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := httpserver.New(httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_, _ = io.Copy(io.Discard, r.Body)
		return httpserver.WriteJSON(w, 200, "ok")
	}), httpserver.Config{Listener: l, DrainDelay: time.Hour}) // it ends when all clients have left
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()

	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var served, kept atomic.Int64
	var clients sync.WaitGroup
	warm := make(chan struct{}, 16)
	for range 16 {
		clients.Go(func() {
			for n := 0; ; n++ {
				res, err := post(t.Context(), client, s.URL())
				if err != nil || res.StatusCode != 200 {
					t.Errorf("request broken: %v", err)
					return
				}
				served.Add(1)
				if n == 50 {
					warm <- struct{}{}
				}
				select {
				case <-s.Draining():
					if !res.Close {
						kept.Add(1) // this answer was on its way when the stop began
					}
					if n%3 == 0 {
						return // leaves by itself, as behind a load balancer
					}
				default:
				}
			}
		})
	}
	for range 16 {
		<-warm
	}
	cancel()
	clients.Wait()
	_ = l.Close()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
	if kept.Load() > 16 {
		t.Errorf("%d answers kept their connection after the stop began", kept.Load())
	}
	if _, err := net.DialTimeout("tcp", s.Addr().String(), time.Second); err == nil {
		t.Error("the address is still bound")
	}
	t.Logf("%d requests served", served.Load())
}
