package httpclient

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// A pool is the client's own transport. A connection that is in use is never idle for long enough to be
// closed, so a client would go on calling the addresses that a name had when the program started. A
// pool begins a new generation of connections from time to time, when it is used: the old one closes
// what is idle, and the rest when it is no longer needed. It starts no goroutine.
type pool struct {
	fresh   func() *http.Transport // makes the transport of a generation
	age     time.Duration          // of a generation; negative: without end
	current atomic.Pointer[generation]
}

type generation struct {
	*http.Transport
	ends time.Time // zero: never
}

// ageSpread is how much the age of a generation varies, so that the replicas of a service that started
// together do not connect anew together.
const ageSpread = 0.1

func newPool(age time.Duration, fresh func() *http.Transport) *pool {
	p := &pool{fresh: fresh, age: age}
	p.current.Store(p.generation())
	return p
}

func (p *pool) generation() *generation {
	g := &generation{Transport: p.fresh()}
	if p.age > 0 {
		g.ends = time.Now().Add(time.Duration(float64(p.age) * (1 - ageSpread + 2*ageSpread*rand.Float64())))
	}
	return g
}

// RoundTrip makes the attempt with the current generation.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	return p.transport().RoundTrip(req)
}

// CloseIdleConnections closes those of the current generation; the ones before have closed theirs.
func (p *pool) CloseIdleConnections() { p.current.Load().CloseIdleConnections() }

// transport returns the current generation, which is a new one if the last has reached its age.
func (p *pool) transport() *http.Transport {
	g := p.current.Load()
	if g.ends.IsZero() || time.Now().Before(g.ends) {
		return g.Transport
	}
	if next := p.generation(); p.current.CompareAndSwap(g, next) {
		// Connections that are busy now are closed when they come back: net/http remembers this call.
		g.CloseIdleConnections()
	}
	return p.current.Load().Transport
}
