package service

import (
	"log/slog"
	"time"
)

// budget divides StopTimeout. Its last step always has something left, however long those before it take: what is
// closed then, such as a producer with records that nobody has acknowledged, is as much worth as the rest.
type budget struct {
	handlers time.Duration // requests finish by themselves
	http     time.Duration // and with their contexts ended, from the moment when nothing is accepted any more
	runners  time.Duration // from the same moment
	stop     time.Duration // from the same moment: StopTimeout
}

// lastWord is how long httpserver leaves to requests whose contexts have ended.
const lastWord = time.Second

// budget: of 20 s requests have 9, the last one with their contexts ended; 10 s are left for the runners, which is what a
// Kafka consumer's handlers have, or 19 where requests end at once, as they mostly do; and 1 s for OnStop.
func (s *Service) budget() budget {
	stop := s.cfg.StopTimeout
	b := budget{http: stop * 9 / 20, runners: stop * 19 / 20, stop: stop}
	b.handlers = max(b.http-lastWord, b.http/2)
	return b
}

// LogValue returns the effective policy.
func (s *Service) LogValue() slog.Value {
	b := s.budget()
	return slog.GroupValue(
		slog.Duration("drain_delay", s.cfg.drainDelay(s.handler != nil)),
		slog.Duration("http", b.http),
		slog.Duration("runners", b.runners),
		slog.Duration("stop", b.stop),
		slog.Duration("flush", s.cfg.FlushTimeout),
	)
}
