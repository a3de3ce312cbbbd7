package httpclient_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/resilience"
	"github.com/google/go-cmp/cmp"
)

func TestNewReturnsEveryFaultAtOnce(t *testing.T) {
	_, err := httpclient.New("", httpclient.Config{
		Timeout:         time.Second,
		AttemptTimeout:  2 * time.Second,
		InternalHosts:   []string{"", "http://inventory", "*.*", "*", "a:b", "a:99999"},
		RedirectHeaders: []string{"X Y"},
		UserAgent:       "orders\r\nX-Injected: 1",
		Transport:       http.DefaultTransport,
		TLS:             &tls.Config{MinVersion: tls.VersionTLS11},
		Retry:           resilience.RetryConfig{Backoff: resilience.Backoff{Jitter: 2}, Budget: resilience.BudgetConfig{Ratio: 3}},
		Breaker:         resilience.BreakerConfig{FailureRatio: 2},
		MaxConnAge:      time.Minute,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{
		"name: ", "AttemptTimeout: 2s", `InternalHosts: ""`, `InternalHosts: "http://inventory"`, `InternalHosts: "*.*"`,
		`InternalHosts: "*"`, `InternalHosts: "a:b"`, `InternalHosts: "a:99999"`,
		`RedirectHeaders: "X Y"`, "UserAgent: ", "TLS: is given", "TLS: MinVersion", "MaxConnAge: is given",
		"Retry: Backoff: Jitter: 2", "Retry: Budget: Ratio: 3", "Breaker: FailureRatio: 2",
	} {
		if strings.Count(err.Error(), field) != 1 {
			t.Errorf("%d faults %q in:\n%v", strings.Count(err.Error(), field), field, err)
		}
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 16 || strings.Contains(err.Error(), "unnamed") {
		t.Errorf("%d faults, want 16 and no name that nobody gave:\n%v", got, err)
	}
}

func TestNegativeTimeoutsTurnThemOff(t *testing.T) {
	client, err := httpclient.New("inventory", httpclient.Config{Timeout: -1, AttemptTimeout: -1, BodyIdleTimeout: -1})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Transport.RoundTrip(&http.Request{})
	if err == nil {
		_ = resp.Body.Close()
		t.Error("a request without URL was sent")
	}
}

func TestAttemptTimeoutLeavesTimeForTheOtherAttempts(t *testing.T) {
	client, err := httpclient.New("inventory", httpclient.Config{Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := httpclient.Describe(client); d.Config.AttemptTimeout != time.Second || d.Config.Breaker.ProbeTimeout != time.Second {
		t.Errorf("attempt timeout %v, probe timeout %v; want 1s", d.Config.AttemptTimeout, d.Config.Breaker.ProbeTimeout)
	}
}

func TestReadmeTableIsTrue(t *testing.T) {
	client, err := httpclient.New("inventory", httpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := httpclient.Describe(client)
	want := map[string]string{
		"Timeout":          d.Config.Timeout.String(),
		"AttemptTimeout":   d.Config.AttemptTimeout.String(),
		"BodyIdleTimeout":  d.Config.BodyIdleTimeout.String(),
		"Retry":            "see `resilience`",
		"Breaker":          "see `resilience`",
		"Concurrency":      "see `resilience`",
		"PublicOnly":       "false",
		"PublicOnlyExcept": "none",
		"CertFile":         "none",
		"Hedge":            "none",
		"CallSpan":         "false",
		"KeyFile":          "none",
		"CAFile":           "the system's",
		"MaxConnAge":       d.Config.MaxConnAge.String(),
		"IdempotencyKeys":  "false",
		"InternalHosts":    "none",
		"RedirectHeaders":  "none",
		"CheckRedirect":    "at most 10",
		"MaxResponseBytes": "10 MiB",
		"UserAgent":        "main module and version",
		"Transport":        "its own",
		"TLS":              "TLS 1.2 or newer",
		"Logger":           "`slog.Default()`",
		"TracerProvider":   "the global one",
		"MeterProvider":    "the global one",
		"Propagator":       "the global one",
	}
	if d.Config.MaxResponseBytes != 10<<20 || d.Config.IdempotencyKeys || d.Config.InternalHosts != nil {
		t.Errorf("defaults are %+v", d.Config)
	}
	base, ok := d.Config.Transport.(*http.Transport)
	if !ok || base.TLSClientConfig.MinVersion != tls.VersionTLS12 || base.MaxIdleConnsPerHost != 32 ||
		base.IdleConnTimeout != 90*time.Second || base.MaxResponseHeaderBytes != 256<<10 {
		t.Errorf("the transport is not what the table says")
	}
	if diff := cmp.Diff(want, readmeTable(t)); diff != "" {
		t.Error(diff)
	}
	for field := range reflect.TypeFor[httpclient.Config]().Fields() {
		if _, ok := want[field.Name]; !ok {
			t.Errorf("Config.%s is not in the table", field.Name)
		}
	}
}

func readmeTable(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## Defaults\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || !strings.HasPrefix(strings.TrimSpace(cells[0]), "`") {
			continue
		}
		rows[strings.Trim(strings.TrimSpace(cells[0]), "`")] = strings.TrimSpace(cells[1])
	}
	return rows
}
