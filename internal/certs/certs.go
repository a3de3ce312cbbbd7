// Package certs reads certificates from files, and reads them again when they have changed, so that a
// renewed certificate needs no restart.
//
// Files are looked at when somebody needs what is in them, at a handshake, and then at most every
// [Interval]: there is no goroutine and nothing to close. Their contents are compared, not their times:
// Kubernetes replaces a mounted secret by turning a symbolic link, and others write in place.
//
// What replaces a certificate is taken only as a whole and only if it is better: a file that is
// missing, half-written or broken, a key that belongs to another certificate, and a certificate that
// has expired or is not valid yet keep the old one in use. A line in the log says so once for each
// reason, another says when a replacement was taken.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"time"
)

// A Pair is a certificate, with the chain up to its root, and its private key. Methods are safe for
// concurrent use, and their results must not be changed.
type Pair struct{ files[tls.Certificate] }

// NewPair reads a certificate chain and its key from two files in PEM, which may be the same. It
// returns an error if they cannot be read, do not belong together, or are not valid at this time: such
// a certificate would fail every handshake. A nil logger is slog.Default().
func NewPair(certFile, keyFile string, logger *slog.Logger) (*Pair, error) {
	p := &Pair{files[tls.Certificate]{
		what:   "tls certificate",
		names:  []string{certFile, keyFile},
		logger: logger,
	}}
	p.parse = p.read
	return p, p.first()
}

func (p *Pair) read(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", p.names[0], p.names[1], err)
	}
	if pair.Leaf == nil { // GODEBUG=x509keypairleaf=0
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", p.names[0], err)
		}
	}
	if err := validNow(pair.Leaf); err != nil {
		return nil, fmt.Errorf("%s: %w", p.names[0], err)
	}
	return &pair, nil
}

func validNow(c *x509.Certificate) error {
	switch now := time.Now(); {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate expired at %s", c.NotAfter.Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate is not valid before %s", c.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// Certificate returns the certificate in use.
func (p *Pair) Certificate() *tls.Certificate { return p.get() }

// GetCertificate is for the field of this name of a server's tls.Config. It never fails.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.get(), nil }

// GetClientCertificate is for the field of this name of a client's tls.Config. It never fails.
func (p *Pair) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.get(), nil
}

// A Pool is the set of authorities that a peer's certificate may come from. It is safe for concurrent
// use.
type Pool struct{ files[x509.CertPool] }

// NewPool reads certificates from a file in PEM. It returns an error if the file cannot be read, has no
// certificate, or one that is broken: an authority that is left out silently is an outage for some
// peers. A nil logger is slog.Default().
func NewPool(file string, logger *slog.Logger) (*Pool, error) {
	p := &Pool{files[x509.CertPool]{
		what:   "tls authorities",
		names:  []string{file},
		logger: logger,
	}}
	p.parse = p.read
	return p, p.first()
}

func (p *Pool) read(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	count := 0
	for rest := contents[0]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", p.names[0], count+1, err)
		}
		pool.AddCert(c)
		count++
	}
	if count == 0 {
		return nil, fmt.Errorf("%s: there is no certificate in it", p.names[0])
	}
	return pool, nil
}

// CertPool returns the authorities in use: the same pointer until they change. It must not be changed.
func (p *Pool) CertPool() *x509.CertPool { return p.get() }
