package httpclienttest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/httpclient/httpclienttest"
)

// texts is a testing.TB that keeps errors.
type texts struct {
	testing.TB
	all []string
}

func (t *texts) Helper()                   {}
func (t *texts) Error(args ...any)         { t.all = append(t.all, args[0].(string)) }
func (t *texts) Errorf(f string, _ ...any) { t.all = append(t.all, f) }

func (t *texts) want(tb testing.TB, parts ...string) {
	tb.Helper()
	all := strings.Join(t.all, "\n")
	for _, part := range parts {
		if !strings.Contains(all, part) {
			tb.Errorf("no %q in:\n%s", part, all)
		}
	}
	if len(parts) == 0 && all != "" {
		tb.Errorf("found:\n%s", all)
	}
}

func TestRecorderFindsWhatIsLeftOfARealCall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	defer server.Close()
	recorder := httpclienttest.NewRecorder(&http.Transport{})
	client := &http.Client{Transport: recorder}
	resp, err := client.Get(server.URL + "/items")
	if err != nil {
		t.Fatal(err)
	}
	var found texts
	synctest.Test(t, func(*testing.T) { recorder.Check(&found) }) // where the wait takes no time
	found.want(t, "the body of the response to GET "+server.URL+"/items was not closed", "a connection to 127.0.0.1:", "persistConn")
	_ = resp.Body.Close()
	recorder.Check(t)
	if got := recorder.Requests(); len(got) != 1 || got[0].Method != "GET" || got[0].URL != server.URL+"/items" {
		t.Errorf("remembered %v", got)
	}
}

func TestRecorderFindsTimersThatHoldARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := httpclienttest.NewRecorder(httpclienttest.NewTransport())
		timer := leave(t, recorder)
		var found texts
		recorder.Check(&found)
		found.want(t, "holds the request")
		timer.Stop()
		recorder.Check(t)
	})
}

// leave makes a call and leaves a timer behind that knows its request.
func leave(t *testing.T, recorder *httpclienttest.Recorder) *time.Timer {
	req, _ := http.NewRequestWithContext(context.Background(), "GET", "http://inventory/", nil)
	recorder.Watch(req)
	resp, err := (&http.Client{Transport: recorder}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return time.AfterFunc(time.Hour, func() { _ = req.Method })
}
