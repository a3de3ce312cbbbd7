package certs_test

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/internal/certs"
)

func TestPoolAndClientCertificateAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newAuthority(t, "first"), newAuthority(t, "second")
		dir := t.TempDir()
		caFile, clientFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem")
		present := func(ca authority) {
			cert, key := ca.issue(t, "client", -time.Hour, time.Hour)
			write(t, clientFile, append(cert, key...))
		}
		write(t, caFile, first.PEM)
		present(first)
		var log lines
		pool, err := certs.NewPool(caFile, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		client, err := certs.NewPair(clientFile, clientFile, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		serverCert, serverKey := first.issue(t, "server", -time.Hour, time.Hour)
		server, err := tls.X509KeyPair(serverCert, serverKey)
		if err != nil {
			t.Fatal(err)
		}
		roots := first.Pool()
		try := func() error {
			_, serverErr, _ := shakeHands(t,
				&tls.Config{
					Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert,
					ClientCAs: pool.CertPool(), MinVersion: tls.VersionTLS12,
				},
				&tls.Config{
					RootCAs: roots, ServerName: "orders.example.com",
					GetClientCertificate: client.GetClientCertificate, MinVersion: tls.VersionTLS12,
				})
			return serverErr
		}
		if err := try(); err != nil {
			t.Errorf("first client, first authority: %v", err)
		}
		present(second)
		time.Sleep(certs.Interval)
		if err := try(); err == nil {
			t.Error("a client of another authority is let in")
		}
		write(t, caFile, append(first.PEM, second.PEM...))
		time.Sleep(certs.Interval)
		if err := try(); err != nil {
			t.Errorf("second client, both authorities: %v", err)
		}
		write(t, caFile, append(first.PEM, block("CERTIFICATE", []byte("rubbish"))...))
		time.Sleep(certs.Interval)
		if err := try(); err != nil {
			t.Errorf("a broken replacement is in use: %v", err)
		}
		if log.count("tls authorities not replaced") != 1 || log.count("certificate 2: ") != 1 {
			t.Errorf("log = %s", log.String())
		}
	})
}

func TestPoolNeedsACertificate(t *testing.T) {
	ca := newAuthority(t, "ca")
	_, key := ca.issue(t, "x", 0, time.Hour)
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("hello"), "a key": key} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		write(t, file, content)
		_, err := certs.NewPool(file, nil)
		if err == nil || !strings.Contains(err.Error(), file+": there is no certificate in it") {
			t.Errorf("%s: err = %v", name, err)
		}
	}
	if _, err := certs.NewPool(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}

// The key must not be in what is said about it.
