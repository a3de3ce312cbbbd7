package httpclient_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

// go-retryablehttp shows the query with its secrets in its log lines and errors.
func TestNoSecretsInLogsSpansAndErrorsOfHelpers(t *testing.T) {
	const secret = "s3cret"
	const url = "http://user:" + secret + "@inventory:8080/items?token=" + secret + "&api_key=" + secret
	for name, step := range map[string]httpclienttest.Step{
		"connection error": httpclienttest.Fail(syscall.ECONNREFUSED),
		"503":              httpclienttest.Status(503),
		"404":              httpclienttest.Status(404),
		"not JSON":         {Header: map[string][]string{"Content-Type": {"text/html"}}, Body: "<p>"},
		"timeout":          {Hang: true},
		"bad redirect":     {Status: 302, Header: map[string][]string{"Location": {"http://%zz/?token=" + secret}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r := newRecorder()
				cfg := r.config
				cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				cfg.Breaker = resilience.BreakerConfig{MinCalls: 2}
				client := newClient(t, httpclienttest.NewTransport(step), cfg)
				for range 3 {
					_, err := httpclient.Get[struct{ A int }](t.Context(), client, url)
					if err == nil {
						t.Fatal("no error")
					}
					for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
						if strings.Contains(text, secret) {
							t.Errorf("error shows the secret: %s", text)
						}
					}
				}
				d, _ := httpclient.Describe(client)
				if text := fmt.Sprint(log.String(), d.LogValue()); strings.Contains(text, secret) {
					t.Errorf("log shows the secret: %s", text)
				}
				for _, span := range r.spans.Ended() {
					if text := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events()); strings.Contains(text, secret) {
						t.Errorf("span shows the secret: %s", text)
					}
				}
			})
		})
	}
}

func TestNoSecretsInErrorsOfBadURLs(t *testing.T) {
	client := newClient(t, httpclienttest.NewTransport(), httpclient.Config{})
	_, err := httpclient.Get[int](t.Context(), client, "http://user:s3cret@host:port/?token=s3cret")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error %v", err)
	}
}
