package httpclient

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs"
)

// certificates are those of Config's files; nil where there is no file.
type certificates struct {
	own         *certs.Pair
	authorities *certs.Pool
}

// readCertificates reads Config's files for the first time.
func readCertificates(cfg *Config) (certificates, error) {
	var c certificates
	var faults [2]error
	if cfg.CertFile != "" && cfg.KeyFile != "" {
		c.own, faults[0] = certs.NewPair(cfg.CertFile, cfg.KeyFile, cfg.Logger)
		faults[0] = inField("CertFile", faults[0])
	}
	if cfg.CAFile != "" {
		c.authorities, faults[1] = certs.NewPool(cfg.CAFile, cfg.Logger)
		faults[1] = inField("CAFile", faults[1])
	}
	return c, errors.Join(faults[:]...)
}

// roots returns the authorities of now: the same pointer until they change, nil for the system's.
func (c certificates) roots() *x509.CertPool {
	if c.authorities == nil {
		return nil
	}
	return c.authorities.CertPool()
}

// use makes a transport use the files: its own certificate is asked for at each handshake.
func (c certificates) use(cfg *tls.Config, roots *x509.CertPool) {
	if c.own != nil {
		cfg.GetClientCertificate = c.own.GetClientCertificate
	}
	if roots != nil {
		cfg.RootCAs = roots
	}
}

func (c *Config) certificateFaults() []error {
	var faults []error
	fault := func(wrong bool, text string) {
		if wrong {
			faults = append(faults, errors.New(text))
		}
	}
	files := c.CertFile+c.KeyFile != ""
	fault(files && c.KeyFile == "", "CertFile: is given without KeyFile")
	fault(files && c.CertFile == "", "KeyFile: is given without CertFile")
	fault(files && c.Transport != nil, "CertFile: is given, and so is Transport, which has a TLS configuration of its own")
	fault(c.CAFile != "" && c.Transport != nil, "CAFile: is given, and so is Transport, which has a TLS configuration of its own")
	if c.TLS != nil {
		fault(files && (len(c.TLS.Certificates) > 0 || c.TLS.GetClientCertificate != nil), "CertFile: is given, and so is a certificate in TLS")
		fault(c.CAFile != "" && c.TLS.RootCAs != nil, "CAFile: is given, and so is TLS.RootCAs")
	}
	return faults
}
