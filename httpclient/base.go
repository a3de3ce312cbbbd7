package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout         = 5 * time.Second
	keepAlive           = 15 * time.Second
	tlsTimeout          = 5 * time.Second
	idlePerHost         = 32 // net/http's 2 makes a new connection for nearly every call of a busy service
	idleTimeout         = 90 * time.Second
	pingAfter           = 30 * time.Second // an HTTP/2 connection whose peer is gone is otherwise used until TCP gives up
	pingTimeout         = 15 * time.Second
	responseHeaderBytes = 256 << 10 // net/http's default is 10 MB
)

// newBase returns what makes the attempts.
func (t *transport) newBase() (http.RoundTripper, error) {
	cfg := &t.cfg
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	if t.guard != nil {
		dialer.ControlContext = t.guard.control
	}
	switch {
	case cfg.Transport == nil:
		files, err := readCertificates(cfg)
		return newPool(cfg.MaxConnAge, files.roots, func(roots *x509.CertPool) *http.Transport {
			own := t.ownTransport(dialer)
			files.use(own.TLSClientConfig, roots)
			return own
		}), err
	case t.guard != nil:
		return t.guard.guarded(cfg.Transport, dialer)
	}
	return cfg.Transport, nil
}

// ownTransport returns the transport of a client whose service brings none.
func (t *transport) ownTransport(dialer *net.Dialer) *http.Transport {
	own := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return t.telemetry.metrics.opened(ctx, conn, address), nil
		},
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        ownTLS(t.cfg.TLS),
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: responseHeaderBytes,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	if t.guard != nil {
		own.Proxy = nil // a proxy connects in our place, and to whatever it likes
	}
	return own
}

func ownTLS(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	return cfg
}
