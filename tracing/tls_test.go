package tracing_test

import (
	"crypto/tls"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/backend-platform/sdk/internal/certs/certstest"
)

// certificates writes what the variables name and returns what a collector that wants them serves with.
func certificates(t *testing.T) (files map[string]string, server *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	ca := certstest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certstest.Request{Subject: "test", Hosts: []string{"127.0.0.1"}})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
			"CERTIFICATE":        certstest.Write(t, dir, "ca.pem", ca.PEM),
			"CLIENT_CERTIFICATE": certstest.Write(t, dir, "client.pem", cert),
			"CLIENT_KEY":         certstest.Write(t, dir, "client.key", key),
		}, &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{pair},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    ca.Pool(),
		}
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
