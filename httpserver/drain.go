package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// lastWord is how long a request has to end after its context was ended.
	lastWord = time.Second
	// pollHandlers is how often the drain looks whether handlers are done that net/http does not wait
	// for: those of hijacked connections.
	pollHandlers = 10 * time.Millisecond
)

// announce tells everybody who can know that the stop has begun.
func (s *Server) announce(ctx context.Context) {
	s.health.SetReady(false)
	s.closing.Store(true)
	close(s.draining)
	s.logger().LogAttrs(ctx, slog.LevelInfo, "http server draining",
		slog.String("addr", s.Addr().String()), slog.Int64("requests", s.inHand.Load()))
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
	_ = s.http.Close()
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
	if s.http.Shutdown(ctx) != nil {
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

func (s *Server) stopAdmin() {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	_ = s.admin.Shutdown(ctx) // what is left, Close ends
}
