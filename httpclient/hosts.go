package httpclient

import (
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/backend-platform/sdk/internal/httpconv"
	"github.com/backend-platform/sdk/resilience"
)

const (
	maxHosts  = 1024 // hosts that are remembered; what is forgotten is made again
	maxSeries = 256  // remembered attribute sets per host
)

// A host is what all calls to one scheme, host and port have in common.
type host struct {
	key      string // such as https://inventory:8443
	address  string
	port     int
	scheme   string
	internal bool

	hedgeMu     sync.Mutex
	hedge       *resilience.Hedge // nil: no call was hedged
	hedgeBudget *resilience.Budget

	mu     sync.RWMutex
	series map[series]*labels
}

// hosts remembers the hosts that were called lately. It is a cache: nothing is lost when it forgets.
type hosts struct {
	internal hostPatterns
	mu       sync.RWMutex
	known    map[hostName]*host
}

type hostName struct{ scheme, host string }

func (h *hosts) get(u *url.URL) *host {
	name := hostName{u.Scheme, u.Host}
	h.mu.RLock()
	found := h.known[name]
	h.mu.RUnlock()
	if found != nil {
		return found
	}
	return h.add(name)
}

func (h *hosts) add(name hostName) *host {
	fresh := newHost(name)
	fresh.internal = h.internal.match(fresh.address, fresh.port)
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.known[name]; found != nil {
		return found
	}
	if len(h.known) >= maxHosts {
		for any := range h.known { // an arbitrary one makes room
			delete(h.known, any)
			break
		}
	}
	if h.known == nil {
		h.known = make(map[hostName]*host)
	}
	// A name cut from a URL would keep the whole URL in memory.
	h.known[hostName{strings.Clone(name.scheme), strings.Clone(name.host)}] = fresh
	return fresh
}

func newHost(name hostName) *host {
	scheme := strings.ToLower(name.scheme)
	address, port := httpconv.SplitHostPort(strings.ToLower(name.host))
	if port == 0 {
		port = httpconv.DefaultPort(scheme)
	}
	bracketed := address
	if strings.Contains(address, ":") {
		bracketed = "[" + address + "]"
	}
	return &host{
		key:     scheme + "://" + bracketed + ":" + strconv.Itoa(port),
		address: address,
		port:    port,
		scheme:  scheme,
	}
}

// hostPatterns are the hosts that count as our own.
type hostPatterns []hostPattern

type hostPattern struct {
	suffix string // ".example.com" of the pattern "*.example.com"
	exact  string
	port   int // zero: any
}

func newHostPattern(text string) hostPattern {
	address, port := httpconv.SplitHostPort(strings.ToLower(text))
	if suffix, ok := strings.CutPrefix(address, "*"); ok {
		return hostPattern{suffix: suffix, port: port}
	}
	return hostPattern{exact: address, port: port}
}

func (patterns hostPatterns) match(address string, port int) bool {
	for _, p := range patterns {
		if p.port != 0 && p.port != port {
			continue
		}
		if p.suffix != "" && strings.HasSuffix(address, p.suffix) && len(address) > len(p.suffix) || p.exact != "" && p.exact == address {
			return true
		}
	}
	return false
}
