package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/internal/certs"
)

func TestReplacedCertificateIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		put := func(name string) {
			cert, key := ca.issue(t, name, -time.Hour, 100*time.Hour)
			write(t, certFile, cert)
			write(t, keyFile, key)
		}
		put("first")
		var log lines
		pair, err := certs.NewPair(certFile, keyFile, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		roots := ca.Pool()
		handshake := func() string {
			name, serverErr, clientErr := shakeHands(t,
				&tls.Config{GetCertificate: pair.GetCertificate, MinVersion: tls.VersionTLS12},
				&tls.Config{RootCAs: roots, ServerName: "orders.example.com", MinVersion: tls.VersionTLS12})
			if serverErr != nil || clientErr != nil {
				t.Fatalf("handshake: %v, %v", serverErr, clientErr)
			}
			return name
		}
		if got := handshake(); got != "first" {
			t.Errorf("certificate = %s", got)
		}
		put("second")
		time.Sleep(certs.Interval - time.Second)
		if got := handshake(); got != "first" {
			t.Errorf("before the interval: %s", got)
		}
		time.Sleep(time.Second)
		if got := handshake(); got != "second" {
			t.Errorf("after it: %s", got)
		}
		time.Sleep(certs.Interval)
		handshake()
		if log.count("tls certificate replaced") != 1 || log.count("\n") != 1 {
			t.Errorf("log = %s", log.String())
		}
	})
}

func TestBadReplacementIsRefusedAndToldOnce(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, ca authority, certFile, keyFile string)
		want  string
	}{
		"missing": {func(t *testing.T, _ authority, certFile, _ string) {
			if err := os.Remove(certFile); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		"empty": {func(t *testing.T, _ authority, certFile, _ string) { write(t, certFile, nil) }, "failed to find any PEM data"},
		"half-written": {func(t *testing.T, ca authority, certFile, _ string) {
			cert, _ := ca.issue(t, "half", -time.Hour, time.Hour)
			write(t, certFile, cert[:len(cert)/2])
		}, "failed to find any PEM data"},
		"another's key": {func(t *testing.T, ca authority, _, keyFile string) {
			_, key := ca.issue(t, "other", -time.Hour, time.Hour)
			write(t, keyFile, key)
		}, "private key does not match"},
		"rubbish": {func(t *testing.T, _ authority, certFile, _ string) {
			write(t, certFile, block("CERTIFICATE", []byte("rubbish")))
		}, "x509"},
		"huge": {func(t *testing.T, _ authority, certFile, _ string) {
			write(t, certFile, bytes.Repeat([]byte("x"), 2<<20))
		}, "has more than 1048576 bytes"},
		"expired": {func(t *testing.T, ca authority, certFile, keyFile string) {
			cert, key := ca.issue(t, "old", -2*time.Hour, -time.Hour)
			write(t, certFile, cert)
			write(t, keyFile, key)
		}, "the certificate expired at 1999-12-31T23:00:00Z"},
		"too early": {func(t *testing.T, ca authority, certFile, keyFile string) {
			cert, key := ca.issue(t, "early", time.Hour, 2*time.Hour)
			write(t, certFile, cert)
			write(t, keyFile, key)
		}, "the certificate is not valid before 2000-01-01T01:00:00Z"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := newAuthority(t, "ca")
				certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
				cert, key := ca.issue(t, "good", -time.Hour, 100*time.Hour)
				write(t, certFile, cert)
				write(t, keyFile, key)
				var log lines
				pair, err := certs.NewPair(certFile, keyFile, log.logger())
				if err != nil {
					t.Fatal(err)
				}
				test.spoil(t, ca, certFile, keyFile)
				for range 3 {
					time.Sleep(certs.Interval)
					if got := pair.Certificate().Leaf.Subject.CommonName; got != "good" {
						t.Errorf("certificate = %s", got)
					}
				}
				if log.count("level=WARN") != 1 || log.count(test.want) != 1 || log.count("\n") != 1 {
					t.Errorf("log = %s, want one line with %q", log.String(), test.want)
				}
				// What a new server says of it names it too.
				if _, err := certs.NewPair(certFile, keyFile, nil); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("NewPair: %v", err)
				}
				// A good one is taken after all.
				cert, key = ca.issue(t, "better", -time.Hour, 100*time.Hour)
				write(t, certFile, cert)
				write(t, keyFile, key)
				time.Sleep(certs.Interval)
				if got := pair.Certificate().Leaf.Subject.CommonName; got != "better" {
					t.Errorf("certificate = %s", got)
				}
			})
		})
	}
}

// What comes too early is taken when its time has come, without another change of the files.
func TestEarlyCertificateIsTakenInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		name := filepath.Join(t.TempDir(), "both.pem")
		put := func(cn string, from time.Duration) {
			cert, key := ca.issue(t, cn, from, 100*time.Hour)
			write(t, name, append(cert, key...))
		}
		put("now", -time.Hour)
		pair, err := certs.NewPair(name, name, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		put("later", time.Hour)
		time.Sleep(30 * time.Minute)
		if got := pair.Certificate().Leaf.Subject.CommonName; got != "now" {
			t.Errorf("certificate = %s", got)
		}
		time.Sleep(31 * time.Minute)
		if got := pair.Certificate().Leaf.Subject.CommonName; got != "later" {
			t.Errorf("certificate = %s", got)
		}
	})
}

// Kubernetes mounts a secret as files that are links through a link that is turned at once.
func TestTurnedLinkIsAReplacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		dir := t.TempDir()
		mount := func(version string) {
			cert, key := ca.issue(t, version, -time.Hour, 100*time.Hour)
			if err := errors.Join(
				os.Mkdir(filepath.Join(dir, version), 0o700),
				os.WriteFile(filepath.Join(dir, version, "tls.crt"), cert, 0o600),
				os.WriteFile(filepath.Join(dir, version, "tls.key"), key, 0o600),
				os.Symlink(version, filepath.Join(dir, "..data_tmp")),
				os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")),
			); err != nil {
				t.Fatal(err)
			}
		}
		mount("..v1")
		for _, name := range []string{"tls.crt", "tls.key"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		var log lines
		pair, err := certs.NewPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), log.logger())
		if err != nil {
			t.Fatal(err)
		}
		mount("..v2")
		if err := os.RemoveAll(filepath.Join(dir, "..v1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certs.Interval)
		if got := pair.Certificate().Leaf.Subject.CommonName; got != "..v2" {
			t.Errorf("certificate = %s; log: %s", got, log.String())
		}
	})
}

// However many handshakes there are, and however the files change, everybody gets a whole pair, and
// in the end the newest.
func TestPairUnderConcurrentChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		name := filepath.Join(t.TempDir(), "both.pem")
		put := func(cn string) {
			cert, key := ca.issue(t, cn, -time.Hour, 1000*time.Hour)
			write(t, name, append(cert, key...))
		}
		put("0")
		pair, err := certs.NewPair(name, name, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 50 {
					time.Sleep(time.Duration(i+1) * time.Second)
					c := pair.Certificate()
					if key := c.PrivateKey.(*ecdsa.PrivateKey); !key.PublicKey.Equal(c.Leaf.PublicKey) {
						t.Error("the key belongs to another certificate")
					}
				}
			})
		}
		for _, cn := range []string{"1", "2", "3", "4"} {
			time.Sleep(17 * time.Second)
			put(cn)
		}
		wg.Wait()
		time.Sleep(certs.Interval)
		if got := pair.Certificate().Leaf.Subject.CommonName; got != "4" {
			t.Errorf("certificate = %s", got)
		}
	})
}

// Both sides at once: a client presents a renewed certificate, a server trusts a renewed authority.
func TestKeyIsNotInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		name := filepath.Join(t.TempDir(), "both.pem")
		cert, key := ca.issue(t, "x", -time.Hour, time.Hour)
		write(t, name, append(cert, key...))
		var log lines
		pair, err := certs.NewPair(name, name, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		secret := strings.Split(string(key), "\n")[1]
		for _, spoiled := range [][]byte{key, append(key, key...), bytes.Replace(key, []byte("PRIVATE"), []byte("SECRET"), 2), key[:len(key)/2]} {
			write(t, name, spoiled)
			time.Sleep(certs.Interval)
			pair.Certificate()
			_, err := certs.NewPair(name, name, nil)
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("err = %v", err)
			}
		}
		if log.count(secret) > 0 || log.count("not replaced") == 0 {
			t.Errorf("log = %s", log.String())
		}
	})
}

func TestLookingCostsNothingBetweenIntervals(t *testing.T) {
	ca := newAuthority(t, "ca")
	name := filepath.Join(t.TempDir(), "both.pem")
	cert, key := ca.issue(t, "x", -time.Hour, time.Hour)
	write(t, name, append(cert, key...))
	pair, err := certs.NewPair(name, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = pair.GetCertificate(nil) }); got != 0 {
		t.Errorf("%.0f allocations", got)
	}
}

// A setting of crypto/tls for older programs leaves a pair without its parsed certificate.
func TestPairHasItsLeafWhateverTheProgramSets(t *testing.T) {
	t.Setenv("GODEBUG", "x509keypairleaf=0")
	dir := t.TempDir()
	cert, key := newAuthority(t, "authority").issue(t, "orders", -time.Hour, time.Hour)
	write(t, filepath.Join(dir, "tls.crt"), cert)
	write(t, filepath.Join(dir, "tls.key"), key)
	pair, err := certs.NewPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if leaf := pair.Certificate().Leaf; leaf == nil || leaf.NotAfter.Before(time.Now()) {
		t.Errorf("leaf = %v", leaf)
	}
}
