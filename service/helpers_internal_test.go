package service

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/locked"
	"github.com/backend-platform/sdk/internal/memnet"
	"github.com/backend-platform/sdk/logging"
)

// life is a service in virtual time, with its signals.
type life struct {
	t             *testing.T
	public, admin *memnet.Listener
	signals       chan os.Signal
	done          chan error
	log           locked.Buffer
	began         time.Time

	mu     sync.Mutex
	events []string
}

// live runs a service until it is ready, or has ended.
func live(t *testing.T, cfg Config, setup func(context.Context, *Service) error) *life {
	t.Helper()
	l := &life{t: t, public: memnet.Listen(), admin: memnet.Listen(), signals: make(chan os.Signal, 2), done: make(chan error, 1)}
	cfg.Listener, cfg.AdminListener, cfg.NoGlobals, cfg.MemoryRatio = l.public, l.admin, true, -1
	cfg.Logging = logging.Config{Output: &l.log, Format: logging.FormatJSON}
	go func() { l.done <- run(t.Context(), cfg, setup, process{signals: l.signals}) }()
	synctest.Wait()
	return l
}

// terminate sends a signal; times of events count from it.
func (l *life) terminate(sig os.Signal) {
	l.began = time.Now()
	l.signals <- sig
}

// end waits for the end and returns how long the stop took.
func (l *life) end() (time.Duration, error) {
	l.t.Helper()
	err := <-l.done
	return time.Since(l.began).Round(10 * time.Millisecond), err
}

// event notes that something happened, and when, in steps of half a second: net/http polls at a Shutdown.
func (l *life) event(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, what+" at "+time.Since(l.began).Truncate(500*time.Millisecond).String())
}

func (l *life) wantEvents(want ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.events, want) {
		l.t.Errorf("events:\n  %s\nwant:\n  %s", strings.Join(l.events, "\n  "), strings.Join(want, "\n  "))
	}
}

// get calls by a connection of its own.
func (l *life) get(listener *memnet.Listener, path string) (int, *http.Response, error) {
	l.t.Helper()
	transport := &http.Transport{DialContext: listener.Dial}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://orders.example.com" + path)
	if err != nil {
		return 0, nil, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res, errors.Join(err, res.Body.Close())
}

// call sends a request and does not care what comes of it.
func (l *life) call(path string) {
	l.t.Helper()
	go func() { _, _, _ = l.get(l.public, path) }()
	synctest.Wait()
}

// lastLine is what the last line says.
type lastLine struct {
	Level  string             `json:"severity_text"`
	Body   string             `json:"body"`
	Cause  string             `json:"cause"`
	Phases map[string]float64 `json:"phases"`
	Open   []string           `json:"open"`
	Error  string             `json:"exception.message"`
	// Telemetry is the loss, an error of its own.
	Telemetry struct {
		Message string `json:"message"`
	} `json:"telemetry"`
}

func last(t *testing.T, text string) lastLine {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var l lastLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &l); err != nil || l.Body != "service stopped" {
		t.Fatalf("the last line is %q (%v); all:\n%s", lines[len(lines)-1], err, text)
	}
	return l
}

func (l *life) last() lastLine {
	l.t.Helper()
	return last(l.t, l.log.String())
}

func wantOpen(t *testing.T, l lastLine, want ...string) {
	t.Helper()
	if !slices.Equal(l.Open, want) {
		t.Errorf("open: %q, want %q", l.Open, want)
	}
}

// wantTook allows what net/http's Shutdown takes, which polls at intervals of 1 ms to 500 ms.
func wantTook(t *testing.T, took, want time.Duration) {
	t.Helper()
	if took < want || took > want+550*time.Millisecond {
		t.Errorf("the stop took %v, want %v", took, want)
	}
}

// hang ignores its context. It ends with the test, and whatever waits for it a little later, as a bubble demands.
func hang(t *testing.T) func(context.Context) error {
	over := make(chan struct{})
	t.Cleanup(func() {
		close(over)
		time.Sleep(5 * time.Second)
	})
	return func(context.Context) error { <-over; return nil }
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
