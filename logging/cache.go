package logging

import (
	"maps"
	"sync"
	"sync/atomic"
)

// A cache remembers what was worked out for a key. Reading takes no lock; writing copies the map, which
// is cheap because what is cached here (field names, call sites) is soon known in full. It holds at most
// maxCached entries and forgets none: a program with more pays for working out the rest each time.
type cache[K comparable, V any] struct {
	known atomic.Pointer[map[K]V]
	mu    sync.Mutex
}

const maxCached = 1024

func (c *cache[K, V]) get(key K) (value V, ok bool) {
	known := c.known.Load()
	if known == nil {
		return value, false
	}
	value, ok = (*known)[key]
	return value, ok
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]V{}
	if known := c.known.Load(); known != nil {
		if len(*known) >= maxCached {
			return
		}
		next = maps.Clone(*known)
	}
	next[key] = value
	c.known.Store(&next)
}
