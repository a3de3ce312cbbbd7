package tracing_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// certificates writes what the variables name and returns what a collector that wants them serves with.
func certificates(t *testing.T) (files map[string]string, server *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	caKey, caCert, caDER := certificate(t, nil, nil)
	key, _, der := certificate(t, caCert, caKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(caCert)
	return map[string]string{
			"CERTIFICATE":        write("ca.pem", "CERTIFICATE", caDER),
			"CLIENT_CERTIFICATE": write("client.pem", "CERTIFICATE", der),
			"CLIENT_KEY":         write("client.key", "PRIVATE KEY", keyDER),
		}, &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    pool,
		}
}

func certificate(t *testing.T, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert, der
}

func TestCertificatesOfTheEnvironmentAreUsedOnBothSides(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			files, config := certificates(t)
			var c *collector
			if protocol == "grpc" {
				c = newCollector(t, protocol, nil, grpc.Creds(credentials.NewTLS(config)))
				c.endpoint = strings.Replace(c.endpoint, "http:", "https:", 1)
			} else {
				c = &collector{protocol: protocol}
				server := httptest.NewUnstartedServer(c)
				server.TLS, server.EnableHTTP2 = config, true
				server.StartTLS()
				t.Cleanup(server.Close)
				c.endpoint = server.URL
			}
			env := c.tracesOnly()
			for name, file := range files {
				env["OTEL_EXPORTER_OTLP_"+name] = file
			}
			providers := setup(t, env, quietly(time.Minute))
			traceSpans(providers, 1)
			if err := providers.Shutdown(t.Context()); err != nil || len(c.spans) != 1 {
				t.Errorf("%d spans, %v", len(c.spans), err)
			}

			// Without the client's certificate the collector takes nothing.
			delete(env, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
			delete(env, "OTEL_EXPORTER_OTLP_CLIENT_KEY")
			providers = setup(t, env, quietly(100*time.Millisecond))
			traceSpans(providers, 1)
			if err := providers.Shutdown(t.Context()); err == nil {
				t.Error("no error without a certificate")
			}
			if len(c.names()) != 1 {
				t.Errorf("%d spans, want 1", len(c.names()))
			}
		})
	}
}

func TestEndpointWithoutSchemeOverGRPCIsSecureUnlessToldOtherwise(t *testing.T) {
	c := newCollector(t, "grpc", nil)
	c.endpoint = strings.TrimPrefix(c.endpoint, "http://")
	env := c.tracesOnly()
	providers := setup(t, env, quietly(100*time.Millisecond))
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err == nil || c.requests > 0 {
		t.Errorf("%d requests in clear text, %v", c.requests, err)
	}
	env["OTEL_EXPORTER_OTLP_INSECURE"] = "true"
	providers = setup(t, env, quietly(time.Minute))
	traceSpans(providers, 1)
	if err := providers.Shutdown(t.Context()); err != nil || len(c.spans) != 1 {
		t.Errorf("%d spans, %v", len(c.spans), err)
	}
}
