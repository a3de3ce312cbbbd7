package tracing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
)

// A connection on which nothing comes back any more, though nobody has closed it, is given up after
// these: requests would time out on it for as long as the kernel tries, some fifteen minutes.
const (
	pingAfter   = time.Minute
	pingTimeout = 20 * time.Second
)

// httpClient returns the client of one exporter. It follows no redirect: the headers, which hold the
// collector's key, would go to wherever that leads.
func (p *Providers) httpClient(s otlpSettings) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     s.tls,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     90 * time.Second,
	}
	p.closers = append(p.closers, transport.CloseIdleConnections)
	return &http.Client{
		Timeout:       s.timeout,
		Transport:     persistent{transport, newDiscretion(s.headers)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// persistent marks a failed connection as temporary, which the OTLP exporters take as a reason to try
// again. Otherwise they give up at once when the connection is refused or reset, as it is for some
// seconds whenever a collector restarts.
type persistent struct {
	http.RoundTripper

	discretion discretion
}

func (p persistent) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.RoundTripper.RoundTrip(request)
	if err == nil {
		noteHTTP(request.Context(), response)
		p.discretion.response(response)
		return response, nil
	}
	if _, network := errors.AsType[*net.OpError](err); network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = temporary{err}
	}
	return nil, err
}

// temporary is asked for by url.Error, which is what an http.Client returns.
type temporary struct{ error }

func (t temporary) Temporary() bool { return true }
func (t temporary) Unwrap() error   { return t.error }

// grpcConn returns the connection of one exporter. It dials with the first export. After a failure it
// dials again within seconds: gRPC's own longest wait of two minutes would outlast every export.
func (p *Providers) grpcConn(s otlpSettings) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if !s.insecure {
		config := s.tls
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		transport = credentials.NewTLS(config)
	}
	var calls []grpc.CallOption
	if s.gzip {
		calls = append(calls, grpc.UseCompressor(gzip.Name))
	}
	waits := backoff.DefaultConfig
	waits.BaseDelay, waits.MaxDelay = retryFirstWait, retryLongestWait
	conn, err := grpc.NewClient("dns:///"+url.PathEscape(s.target), // a zone of IPv6 has a % in it
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(calls...),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: waits, MinConnectTimeout: 10 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WithUnaryInterceptor(attempt(s.timeout, newDiscretion(s.headers))),
		grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.endpoint, err)
	}
	p.closers = append(p.closers, func() { _ = conn.Close() })
	return conn, nil
}

// attempt bounds each attempt of an export, and reads what the collector has taken of it.
func attempt(timeout time.Duration, d discretion) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := invoke(ctx, method, request, reply, conn, options...); err != nil {
			return d.status(err)
		}
		if message, ok := reply.(proto.Message); ok {
			if response, err := proto.Marshal(message); err == nil {
				note(ctx, response)
			}
		}
		return nil
	}
}
