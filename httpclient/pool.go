package httpclient

import (
	"crypto/x509"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

// A pool is the client's own transport. A connection that is in use is never idle for long enough to be
// closed, so a client would go on calling the addresses that a name had when the program started. A
// pool begins a new generation of connections from time to time, when it is used: the old one closes
// what is idle, and the rest when it is no longer needed. It starts no goroutine.
type pool struct {
	fresh   func(roots *x509.CertPool) *http.Transport // makes the transport of a generation
	roots   func() *x509.CertPool                      // the authorities of now
	age     time.Duration                              // of a generation; negative: without end
	current atomic.Pointer[generation]

	mu  sync.Mutex
	old []weak.Pointer[http.Transport] // of generations before; a connection keeps its own alive
}

type generation struct {
	*http.Transport
	roots *x509.CertPool
	ends  time.Time // zero: never
}

// ageSpread is how much the age of a generation varies, so that the replicas of a service that started
// together do not connect anew together.
const ageSpread = 0.1

func newPool(age time.Duration, roots func() *x509.CertPool, fresh func(*x509.CertPool) *http.Transport) *pool {
	p := &pool{fresh: fresh, roots: roots, age: age}
	p.current.Store(p.generation())
	return p
}

func (p *pool) generation() *generation {
	roots := p.roots()
	g := &generation{Transport: p.fresh(roots), roots: roots}
	if p.age > 0 {
		g.ends = time.Now().Add(time.Duration(float64(p.age) * (1 - ageSpread + 2*ageSpread*rand.Float64())))
	}
	return g
}

// RoundTrip makes the attempt with the current generation.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	return p.transport().RoundTrip(req)
}

// CloseIdleConnections closes those of every generation.
func (p *pool) CloseIdleConnections() {
	p.current.Load().CloseIdleConnections()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeOld()
}

// retire closes what is idle of a generation that has ended. Connections that are busy are closed when
// they come back, for net/http remembers this call; but not those of HTTP/2, nor any after a call that
// took the generation just before it ended. They are closed with the next generation, or after 90 s.
func (p *pool) retire(g *generation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.old = append(p.old, weak.Make(g.Transport))
	p.closeOld()
}

func (p *pool) closeOld() {
	p.old = slices.DeleteFunc(p.old, func(w weak.Pointer[http.Transport]) bool {
		t := w.Value()
		if t != nil {
			t.CloseIdleConnections()
		}
		return t == nil
	})
}

// transport returns the current generation, which is a new one if the last has reached its age, or
// trusts authorities that were replaced.
func (p *pool) transport() *http.Transport {
	g := p.current.Load()
	if (g.ends.IsZero() || time.Now().Before(g.ends)) && g.roots == p.roots() {
		return g.Transport
	}
	if next := p.generation(); p.current.CompareAndSwap(g, next) {
		p.retire(g)
	}
	return p.current.Load().Transport
}
