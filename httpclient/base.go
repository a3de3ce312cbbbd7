package httpclient

import (
	"crypto/tls"
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

// newBase returns the transport below everything else, unless the service brings its own.
func newBase(tlsConfig *tls.Config) *http.Transport {
	if tlsConfig == nil {
		tlsConfig = &tls.Config{}
	}
	tlsConfig = tlsConfig.Clone()
	if tlsConfig.MinVersion == 0 {
		tlsConfig.MinVersion = tls.VersionTLS12
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: responseHeaderBytes,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}
