package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs"
)

// dialTimeout bounds one connection, its TLS handshake included.
const dialTimeout = 10 * time.Second

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns the function that opens this connection's sockets, with TLS where it is asked for. It reads the
// certificate files for the first time; later they are looked at when a connection is opened.
func (c Connection) dialer(log *slog.Logger) (dialFunc, error) {
	raw := c.Dial
	if raw == nil {
		raw = new(net.Dialer).DialContext
	}
	if !c.secured() {
		return bounded(raw), nil
	}
	base := c.TLS.Clone()
	if base == nil {
		base = new(tls.Config)
	}
	base.MinVersion = cmp.Or(base.MinVersion, tls.VersionTLS12)
	var faults [2]error
	if c.CertFile != "" {
		pair, err := certs.NewPair(c.CertFile, c.KeyFile, log)
		if faults[0] = err; err == nil {
			base.GetClientCertificate = pair.GetClientCertificate
		}
	}
	var authorities *certs.Pool
	if c.CAFile != "" {
		authorities, faults[1] = certs.NewPool(c.CAFile, log)
	}
	if err := errors.Join(faults[:]...); err != nil {
		return nil, err
	}
	return bounded(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := raw(ctx, network, address)
		if err != nil {
			return nil, err
		}
		cfg := base.Clone()
		if authorities != nil {
			cfg.RootCAs = authorities.CertPool()
		}
		if cfg.ServerName == "" {
			cfg.ServerName, _, _ = net.SplitHostPort(address)
		}
		secure := tls.Client(conn, cfg)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // What failed before says more.
			return nil, fmt.Errorf("TLS handshake with %s: %w", address, err)
		}
		return secure, nil
	}), nil
}

func bounded(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// secured says whether the connection is one of TLS as far as its configuration shows.
func (c Connection) secured() bool { return c.TLS != nil || c.CAFile != "" || c.CertFile != "" }

func (c Connection) certificateFaults() []error {
	var faults []error
	fault := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, errors.New(text))
		}
	}
	fault(c.CertFile != "" && c.KeyFile == "", "CertFile: is given without KeyFile")
	fault(c.KeyFile != "" && c.CertFile == "", "KeyFile: is given without CertFile")
	if c.TLS != nil {
		fault(c.CertFile != "" && (len(c.TLS.Certificates) > 0 || c.TLS.GetClientCertificate != nil), "CertFile: is given, and so is a certificate in TLS")
		fault(c.CAFile != "" && c.TLS.RootCAs != nil, "CAFile: is given, and so is TLS.RootCAs")
	}
	return faults
}
