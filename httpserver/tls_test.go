package httpserver_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/internal/memnet"
)

// certFiles is an authority that writes what it issues into files.
type certFiles struct {
	*certstest.Authority
	dir string
}

func newCertFiles(t *testing.T) *certFiles {
	t.Helper()
	a := &certFiles{certstest.NewAuthority(t, "authority"), t.TempDir()}
	certstest.Write(t, a.dir, "ca.pem", a.PEM)
	return a
}

func (a *certFiles) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes name.crt and name.key.
func (a *certFiles) issue(t *testing.T, name, subject string) tls.Certificate {
	t.Helper()
	cert, key := a.Issue(t, certstest.Request{Subject: subject})
	pair, err := tls.LoadX509KeyPair(certstest.Write(t, a.dir, name+".crt", cert), certstest.Write(t, a.dir, name+".key", key))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// secureClient has a connection of its own for each request.
func (a *certFiles) client(t *testing.T, l *memnet.Listener, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	roots := a.Pool()
	transport := &http.Transport{
		DialContext: l.Dial, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// whoAmI answers with the protocol and the client's name.
func whoAmI(w http.ResponseWriter, r *http.Request) {
	name := "nobody"
	if len(r.TLS.VerifiedChains) > 0 {
		name = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	_, _ = fmt.Fprint(w, r.Proto, " ", name)
}

func getSecure(t *testing.T, client *http.Client) (server, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://orders.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.TLS.PeerCertificates[0].Subject.CommonName, string(raw), err
}

func TestRenewedCertificateNeedsNoRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newCertFiles(t)
		files.issue(t, "server", "first")
		l, s, _, lines := started(t, http.HandlerFunc(whoAmI), httpserver.Config{
			CertFile: files.path("server.crt"), KeyFile: files.path("server.key"),
		})
		client := files.client(t, l)
		ask := func() [2]string {
			name, body, err := getSecure(t, client)
			if err != nil {
				t.Fatal(err)
			}
			return [2]string{name, body}
		}
		if diff := cmp.Diff([2]string{"first", "HTTP/2.0 nobody"}, ask()); diff != "" {
			t.Error(diff)
		}
		if !strings.HasPrefix(s.URL(), "https://") || !strings.Contains(s.LogValue().String(), "tls_certificate_expires") {
			t.Errorf("URL = %s, policy %v", s.URL(), s.LogValue())
		}
		files.issue(t, "server", "second")
		time.Sleep(10 * time.Second)
		if diff := cmp.Diff([2]string{"second", "HTTP/2.0 nobody"}, ask()); diff != "" {
			t.Error(diff)
		}
		if err := os.WriteFile(files.path("server.crt"), []byte("-----BEGIN"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(10 * time.Second)
			if diff := cmp.Diff([2]string{"second", "HTTP/2.0 nobody"}, ask()); diff != "" {
				t.Error(diff)
			}
		}
		if line := lines.line(t, "tls certificate not replaced"); line["level"] != "WARN" {
			t.Errorf("line = %v", line)
		}
	})
}

func TestClientsNeedACertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, others := newCertFiles(t), newCertFiles(t)
		files.issue(t, "server", "orders")
		l, _, _, _ := started(t, http.HandlerFunc(whoAmI), httpserver.Config{
			CertFile: files.path("server.crt"), KeyFile: files.path("server.key"), ClientCAFile: files.path("ca.pem"),
		})
		if _, body, err := getSecure(t, files.client(t, l, files.issue(t, "client", "billing"))); err != nil || body != "HTTP/2.0 billing" {
			t.Errorf("a client that is known: %q, %v", body, err)
		}
		if _, body, err := getSecure(t, files.client(t, l)); err == nil {
			t.Errorf("a client without a certificate gets %q", body)
		}
		stranger := others.issue(t, "client", "stranger")
		if _, body, err := getSecure(t, files.client(t, l, stranger)); err == nil {
			t.Errorf("a stranger gets %q", body)
		}
		// The authorities are read again, too.
		both, err := os.ReadFile(files.path("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		more, err := os.ReadFile(others.path("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files.path("ca.pem"), append(both, more...), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, body, err := getSecure(t, files.client(t, l, stranger)); err != nil || body != "HTTP/2.0 stranger" {
			t.Errorf("a stranger whose authority was added: %q, %v", body, err)
		}
	})
}

// A client that resumes a session is looked at as any other: an authority that was removed is removed.
func TestResumedSessionIsVerifiedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files, others := newCertFiles(t), newCertFiles(t)
		files.issue(t, "server", "orders")
		l, _, _, _ := started(t, http.HandlerFunc(whoAmI), httpserver.Config{
			CertFile: files.path("server.crt"), KeyFile: files.path("server.key"), ClientCAFile: files.path("ca.pem"),
		})
		client := files.client(t, l, files.issue(t, "client", "billing"))
		config := client.Transport.(*http.Transport).TLSClientConfig
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		config.MaxVersion = tls.VersionTLS12 // with 1.3 both sides write at once, and a pipe has no buffer
		resumed := 0
		config.VerifyConnection = func(cs tls.ConnectionState) error {
			if cs.DidResume {
				resumed++
			}
			return nil
		}
		for range 2 {
			if _, _, err := getSecure(t, client); err != nil {
				t.Fatal(err)
			}
		}
		if resumed != 1 {
			t.Fatalf("%d sessions were resumed, want 1", resumed)
		}
		only, err := os.ReadFile(others.path("ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(files.path("ca.pem"), only, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, body, err := getSecure(t, client); err == nil {
			t.Errorf("a client of a removed authority gets %q", body)
		}
	})
}

func TestOldTLSIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := newCertFiles(t)
		files.issue(t, "server", "orders")
		l, _, _, _ := started(t, http.HandlerFunc(whoAmI), httpserver.Config{
			CertFile: files.path("server.crt"), KeyFile: files.path("server.key"),
		})
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			client := files.client(t, l)
			config := client.Transport.(*http.Transport).TLSClientConfig
			config.MinVersion, config.MaxVersion = version, version //nolint:gosec // what must not work
			if _, _, err := getSecure(t, client); (err == nil) != want {
				t.Errorf("%s: %v", tls.VersionName(version), err)
			}
		}
	})
}

func TestCertificateFaultsAreNamed(t *testing.T) {
	files := newCertFiles(t)
	pair := files.issue(t, "server", "orders")
	crt, key := files.path("server.crt"), files.path("server.key")
	tests := map[string]struct {
		cfg  httpserver.Config
		want string
	}{
		"no key":             {httpserver.Config{CertFile: crt}, "CertFile, KeyFile: one is set"},
		"no certificate":     {httpserver.Config{KeyFile: key}, "CertFile, KeyFile: one is set"},
		"two certificates":   {httpserver.Config{CertFile: crt, KeyFile: key, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}}, "TLS: it has a certificate"},
		"none at all":        {httpserver.Config{TLS: new(tls.Config)}, "TLS: it has no certificate"},
		"authorities alone":  {httpserver.Config{ClientCAFile: files.path("ca.pem")}, "ClientCAFile: it needs"},
		"old versions":       {httpserver.Config{CertFile: crt, KeyFile: key, TLS: &tls.Config{MinVersion: tls.VersionTLS11}}, "TLS: MinVersion"}, //nolint:gosec // what must be refused
		"missing file":       {httpserver.Config{CertFile: files.path("none"), KeyFile: key}, files.path("none")},
		"missing authority":  {httpserver.Config{CertFile: crt, KeyFile: key, ClientCAFile: files.path("none")}, files.path("none")},
		"key is no key":      {httpserver.Config{CertFile: crt, KeyFile: crt}, "found a certificate rather than a key"},
		"authority is a key": {httpserver.Config{CertFile: crt, KeyFile: key, ClientCAFile: key}, "there is no certificate in it"},
	}
	for name, test := range tests {
		test.cfg.Listener = memnet.Listen()
		if _, err := httpserver.New(failing(nil), test.cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: err = %v, want %q", name, err, test.want)
		}
	}
	s, err := httpserver.New(failing(nil), httpserver.Config{
		Listener: memnet.Listen(), CertFile: crt, KeyFile: key, TLS: &tls.Config{MinVersion: tls.VersionTLS13},
	})
	if err != nil || s.HTTPServer().TLSConfig.MinVersion != tls.VersionTLS13 {
		t.Errorf("what else is wanted: %v", err)
	}
	_ = s.Close()
}

// A certificate needs no server to be right: the files are read by New, before the address is bound.
func TestBrokenCertificateShowsBeforeTheStart(t *testing.T) {
	l := memnet.Listen()
	if _, err := httpserver.New(failing(nil), httpserver.Config{Listener: l, CertFile: "none.crt", KeyFile: "none.key"}); err == nil {
		t.Error("there is a server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx, "", ""); err == nil {
		t.Error("somebody serves")
	}
}
