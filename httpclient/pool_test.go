package httpclient_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpclient"
)

func TestConnectionsAreUsedUntilTheirAge(t *testing.T) {
	const calls = 10
	for name, tc := range map[string]struct {
		age         time.Duration
		least, most int64
	}{
		"the default": {0, 1, few}, "no age": {-1, 1, few}, "over at once": {time.Nanosecond, calls, calls},
	} {
		t.Run(name, func(t *testing.T) {
			server, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
			client := ownClient(t, httpclient.Config{MaxConnAge: tc.age})
			for range calls {
				resp, err := send(t, client, "GET", server.URL, "")
				if err != nil {
					t.Fatal(err)
				}
				readAndClose(t, resp)
			}
			if got := connections.Load(); got < tc.least || got > tc.most {
				t.Errorf("%d connections, want %d to %d", got, tc.least, tc.most)
			}
		})
	}
}

// A client that is never idle would call the addresses of the day when it was started.
func TestNewAddressesOfANameAreNoticed(t *testing.T) {
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "first") }))
	defer first.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(first.URL, "http://"), ":")
	listener, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	second := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "second") }))
	_ = second.Listener.Close()
	second.Listener = listener
	second.Start()
	defer second.Close()
	(&nameServer{answers: []string{"127.0.0.1", "127.0.0.2"}}).install(t)
	client := ownClient(t, httpclient.Config{MaxConnAge: time.Nanosecond})
	for _, want := range []string{"first", "second"} {
		resp, err := send(t, client, "GET", "http://moving.example.com.:"+port+"/", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := readAndClose(t, resp); got != want {
			t.Errorf("answered by %q, want %q", got, want)
		}
	}
}

func TestOldConnectionsFinishWhatTheyCarryAndAreClosed(t *testing.T) {
	closed, more := make(chan struct{}, 10), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin ")
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			<-more
		}
		_, _ = io.WriteString(w, "end")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	client := ownClient(t, httpclient.Config{MaxConnAge: time.Nanosecond})
	slow, err := send(t, client, "GET", server.URL+"/slow", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second of these begins a generation, and closes the first one's connection
		resp, err := send(t, client, "GET", server.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		readAndClose(t, resp)
	}
	<-closed
	close(more)
	if got := readAndClose(t, slow); got != "begin end" {
		t.Errorf("got %q", got)
	}
	<-closed // the slow one's, when it came back
}
