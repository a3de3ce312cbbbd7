package logging

import (
	"hash/maphash"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// A sampler leaves out lines that repeat too often within a second, and counts them.
type sampler struct {
	most int

	mu      sync.Mutex
	second  int64
	seen    map[repeated]int
	seed    maphash.Seed
	dropped int64
}

func newSampler(most int) *sampler {
	return &sampler{most: most, seen: make(map[repeated]int), seed: maphash.MakeSeed()}
}

// repeated is what lines have in common that are told apart by their fields only.
type repeated struct {
	level   zapcore.Level
	name    string
	message uint64 // its hash: a message may be long
}

// maxRepeated bounds the memory of a second; what does not fit is written.
const maxRepeated = 4096

// admit reports whether a line is to be written, and how many were left out in the seconds before.
func (s *sampler) admit(ent *zapcore.Entry) (ok bool, dropped int64) {
	at := ent.Time
	if at.IsZero() {
		at = time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := at.Unix(); second != s.second {
		s.second = second
		dropped, s.dropped = s.dropped, 0
		clear(s.seen)
	}
	key := repeated{ent.Level, ent.LoggerName, maphash.String(s.seed, ent.Message)}
	n := s.seen[key]
	if n >= s.most {
		s.dropped++
		return false, dropped
	}
	if n > 0 || len(s.seen) < maxRepeated {
		s.seen[key] = n + 1
	}
	return true, dropped
}

// putBack takes a number back that could not be told.
func (s *sampler) putBack(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped += n
}

// takeDropped returns how many lines were left out since it was last told.
func (s *sampler) takeDropped() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.dropped = s.dropped, 0
	return n
}
