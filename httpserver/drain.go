package httpserver

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/backend-platform/sdk/errors"
)

const (
	// lastWord is how long a request has to end after its context was ended.
	lastWord = time.Second
	// pollHandlers is how often the drain looks whether handlers are done that net/http does not wait
	// for: those of hijacked connections.
	pollHandlers = 10 * time.Millisecond
)

// StartDraining does the first step of the stop, as [Server.Run] describes it, and no other: readiness turns off,
// Draining is closed and clients are asked to leave, while the server goes on accepting until Run's context ends. It is
// for a program that decides at the moment of the stop how long it waits for its clients: that gives the server no
// DrainDelay. It returns at once; Run calls it where nobody has.
func (s *Server) StartDraining() { s.announce(context.Background()) }

// announce tells everybody who can know that the stop has begun.
func (s *Server) announce(ctx context.Context) {
	s.announced.Do(func() {
		s.health.SetReady(false)
		s.closing.Store(true)
		s.http2.goAway()
		close(s.draining)
		s.logger().LogAttrs(ctx, slog.LevelInfo, "http server draining",
			slog.String("addr", s.Addr().String()), slog.Int64("requests", s.inHand.Load()))
	})
}

// drainDelay keeps on accepting for a while. An address that fails meanwhile is left anyway.
func (s *Server) drainDelay(ctx context.Context, failed <-chan error) {
	s.announce(ctx)
	if s.cfg.DrainDelay < 0 {
		return
	}
	timer := time.NewTimer(s.cfg.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.closed:
	case err := <-failed:
		if err != nil { // nil: Close was called
			s.logger().LogAttrs(ctx, slog.LevelWarn, "http server stopped accepting early", slog.Any(keyError, err))
		}
	}
}

// drain stops accepting and waits for the requests in hand.
func (s *Server) drain(ctx context.Context, end context.CancelCauseFunc) error {
	began := time.Now()
	if s.finish(s.cfg.DrainTimeout, s.closed) {
		s.stopAdmin()
		s.logger().LogAttrs(ctx, slog.LevelInfo, "http server stopped",
			slog.String("addr", s.Addr().String()), slog.Duration("drain", time.Since(began)))
		return nil
	}
	late := s.inHand.Load()
	end(ErrShuttingDown)
	s.finish(lastWord, nil)
	stuck := s.inHand.Load()
	if stuck > 0 {
		s.logger().LogAttrs(ctx, slog.LevelError, "http server cuts off handlers that do not end",
			slog.Int64("requests", stuck), slog.String("stacks", stuckStacks()))
	}
	_ = errors.Join(s.http.Close(), s.http2.end())
	s.stopAdmin()
	if late == 0 {
		return nil // connections without a request, such as one whose header never came
	}
	return fmt.Errorf("stop http server: %d requests were cut off after %v, of which %d did not end when told to",
		late, time.Since(began).Round(time.Millisecond), stuck)
}

// finish waits until nothing is in hand, at most for the bound (negative: none), or until hurry is
// closed, and reports whether it came to that.
func (s *Server) finish(bound time.Duration, hurry <-chan struct{}) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if bound >= 0 {
		timer := time.AfterFunc(bound, cancel)
		defer timer.Stop()
	}
	select {
	case <-hurry:
		return s.inHand.Load() == 0
	default:
	}
	if s.shutdown(ctx) != nil {
		return false
	}
	ticker := time.NewTicker(pollHandlers)
	defer ticker.Stop()
	for s.inHand.Load() > 0 {
		select {
		case <-ticker.C:
		case <-hurry:
			return s.inHand.Load() == 0
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// shutdown waits for the connections of both servers: HTTP/2's are the outer's, too.
func (s *Server) shutdown(ctx context.Context) error {
	inner := make(chan error, 1)
	go func() { inner <- s.http2.http.Shutdown(ctx) }()
	return errors.Join(s.http.Shutdown(ctx), <-inner)
}

// maxStacks bounds the text of stuckStacks, in bytes.
const maxStacks = 64 << 10

// stuckStacks returns what the goroutines do that handle requests: a list of requests could not say where they hang,
// and would cost every request.
func stuckStacks() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var found []byte
	for stack := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("httpserver.(*Server).serve(")) && len(found)+len(stack) < maxStacks {
			found = append(append(found, stack...), "\n\n"...)
		}
	}
	return string(bytes.TrimSpace(found))
}

func (s *Server) stopAdmin() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	_ = s.admin.Shutdown(ctx) // what is left, Close ends
}
