package httpclient_test

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/google/go-cmp/cmp"
)

const (
	ofPUT  = "http.request.method=PUT,http.response.status_code=200,network.protocol.name=http,network.protocol.version=1.1,server.address=inventory,server.port=8080,url.scheme=http"
	began  = "http.request.method=GET,server.address=inventory,server.port=8080,url.scheme=http,url.template=/items/{sku}"
	failed = "error.type=503,http.request.method=PUT,http.response.status_code=503,network.protocol.name=http,network.protocol.version=1.1,server.address=inventory,server.port=8080,url.scheme=http"
)

func TestSizesOfBodiesAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		client := newClient(t, httpclienttest.NewTransport(
			httpclienttest.Step{Status: 503, Body: strings.Repeat("x", 100)},
			httpclienttest.Step{Body: strings.Repeat("x", 1000)},
			httpclienttest.Step{Body: strings.Repeat("x", 5000), Chunked: true},
			httpclienttest.Status(200),
		), r.config)
		for _, body := range []io.Reader{
			strings.NewReader("12345"), io.NopCloser(strings.NewReader("1234567")), nil,
		} {
			req, _ := http.NewRequestWithContext(t.Context(), "PUT", target, body)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			readAndClose(t, resp)
		}
		// The first body goes out twice; the third request has none.
		if diff := cmp.Diff(map[string][2]int64{failed: {5, 1}, ofPUT: {12, 2}}, r.measured(t, "http.client.request.body.size")); diff != "" {
			t.Error("requests:", diff)
		}
		if diff := cmp.Diff(map[string][2]int64{failed: {100, 1}, ofPUT: {6000, 2}}, r.measured(t, "http.client.response.body.size")); diff != "" {
			t.Error("responses:", diff)
		}
	})
}

// The length in the headers of a response to HEAD is that of a body that does not come.
func TestResponseToHeadHasNoSize(t *testing.T) {
	r := newRecorder()
	client := newClient(t, roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ContentLength: 1000, Body: http.NoBody, Header: http.Header{}}, nil
	}), r.config)
	resp, err := send(t, client, "HEAD", target, "")
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
	if got := r.measured(t, "http.client.response.body.size"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestActiveRequestsAreCountedUntilTheirResponseIsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []httpclienttest.Step
		while int64 // the response is open
	}{
		"read":    {[]httpclienttest.Step{{Body: "x"}}, 1},
		"empty":   {[]httpclienttest.Step{{}}, 0},
		"retried": {[]httpclienttest.Step{{Status: 503, Body: "x"}, httpclienttest.Fail(syscall.ECONNRESET), {Body: "x"}}, 1},
		"failed":  {[]httpclienttest.Step{httpclienttest.Fail(syscall.ECONNRESET)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder()
				script := httpclienttest.NewTransport(tc.steps...)
				client := newClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
					if got := r.measured(t, "http.client.active_requests")[began]; got[0] != 1 {
						t.Errorf("during the attempt: %v, want 1", got)
					}
					return script.RoundTrip(req)
				}), r.config)
				req, _ := http.NewRequestWithContext(httpclient.With(t.Context(), httpclient.Call{Route: "/items/{sku}"}), "GET", target, nil)
				resp, err := client.Do(req)
				if got := r.measured(t, "http.client.active_requests")[began]; got[0] != tc.while {
					t.Errorf("with its response: %v, want %d", got, tc.while)
				}
				if err == nil {
					readAndClose(t, resp)
				}
				if got := r.measured(t, "http.client.active_requests")[began]; got[0] != 0 {
					t.Errorf("afterwards: %v, want 0", got)
				}
			})
		})
	}
}

func TestOpenConnectionsAreCounted(t *testing.T) {
	server, _ := countingServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	of := "server.address=127.0.0.1,server.port=" + port
	r := newRecorder()
	client := ownClient(t, r.config)
	resp, err := send(t, client, "GET", server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][2]int64{of: {1, 1}}, r.measured(t, "http.client.open_connections")); diff != "" {
		t.Error("open:", diff)
	}
	readAndClose(t, resp)
	client.CloseIdleConnections()
	if diff := cmp.Diff(map[string][2]int64{of: {0, 1}}, r.measured(t, "http.client.open_connections")); diff != "" {
		t.Error("closed:", diff)
	}
	if got := r.measured(t, "http.client.connection.duration")[of]; got[1] != 1 {
		t.Errorf("%v durations, want 1", got)
	}
}
