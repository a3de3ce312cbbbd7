package httpserver

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs"
)

func (c Config) secure() bool { return c.TLS != nil || c.CertFile != "" }

func (c Config) tlsFaults() (faults []error) {
	base := c.TLS
	if base == nil {
		base = new(tls.Config)
	}
	certified := len(base.Certificates) > 0 || base.GetCertificate != nil || base.GetConfigForClient != nil
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		faults = append(faults, errors.New("CertFile, KeyFile: one is set without the other"))
	case c.CertFile != "" && certified:
		faults = append(faults, errors.New("TLS: it has a certificate, and there is a CertFile"))
	case c.CertFile == "" && c.TLS != nil && !certified:
		faults = append(faults, errors.New("TLS: it has no certificate"))
	}
	if c.ClientCAFile != "" && c.CertFile == "" {
		faults = append(faults, errors.New("ClientCAFile: it needs a CertFile"))
	}
	if v := base.MinVersion; v != 0 && v < tls.VersionTLS12 {
		faults = append(faults, errors.New("TLS: MinVersion is before TLS 1.2"))
	}
	return faults
}

// certificates are the files of a server.
type certificates struct {
	pair *certs.Pair
	pool *certs.Pool // nil: clients need no certificate
}

func readCertificates(c Config) (files certificates, err error) {
	if c.CertFile == "" {
		return files, nil
	}
	files.pair, err = certs.NewPair(c.CertFile, c.KeyFile, c.Logger)
	if err == nil && c.ClientCAFile != "" {
		files.pool, err = certs.NewPool(c.ClientCAFile, c.Logger)
	}
	return files, err
}

// config returns what server speaks TLS with; nil: it does not.
func (f certificates) config(base *tls.Config, server *http.Server) *tls.Config {
	if base == nil && f.pair == nil {
		return nil
	}
	config := base.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12) // whatever GODEBUG says
	if f.pair != nil {
		config.GetCertificate = f.pair.GetCertificate
	}
	if f.pool != nil {
		if config.ClientAuth == tls.NoClientCert {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
		config.GetConfigForClient = f.forClient(config, server)
	}
	return config
}

// forClient makes a config for each set of authorities. What a config says of its own is the sessions'
// keys, which crypto/tls takes from the outer one, and the protocols, which net/http adds to a copy that
// we do not see.
func (f certificates) forClient(base *tls.Config, server *http.Server) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	base = base.Clone()
	var mu sync.Mutex
	var authorities *x509.CertPool
	var current *tls.Config
	return func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool := f.pool.CertPool()
		mu.Lock()
		defer mu.Unlock()
		if pool != authorities {
			config := base.Clone()
			config.ClientCAs = pool
			if len(config.NextProtos) == 0 {
				config.NextProtos = protocolsOf(server)
			}
			authorities, current = pool, config
		}
		return current, nil
	}
}

func protocolsOf(server *http.Server) (names []string) {
	if p := server.Protocols; p == nil || p.HTTP2() {
		names = append(names, "h2")
	}
	if p := server.Protocols; p == nil || p.HTTP1() {
		names = append(names, "http/1.1")
	}
	return names
}

// attrs is what the effective policy says of TLS.
func (f certificates) attrs(c Config) []slog.Attr {
	attrs := []slog.Attr{slog.Bool("tls", c.secure())}
	if f.pair != nil {
		attrs = append(attrs, slog.Time("tls_certificate_expires", f.pair.Certificate().Leaf.NotAfter))
	}
	return append(attrs, slog.Bool("tls_client_certificates", f.pool != nil))
}
