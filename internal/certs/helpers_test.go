package certs_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/internal/locked"
)

// authority issues certificates.
type authority struct{ *certstest.Authority }

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	return authority{certstest.NewAuthority(t, name)}
}

// issue returns a certificate and its key in PEM.
func (a authority) issue(t *testing.T, name string, from, to time.Duration) (cert, key []byte) {
	t.Helper()
	return a.Issue(t, certstest.Request{Subject: name, From: from, To: to})
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// shakeHands returns the name in the certificate that a server presents.
func shakeHands(t *testing.T, server, client *tls.Config) (name string, serverErr, clientErr error) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(theirs, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte{1})
		}
		_ = theirs.Close()
		done <- err
	}()
	c := tls.Client(ours, client)
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = io.ReadFull(c, make([]byte, 1)) // with TLS 1.3 the server looks at a client's certificate later
	}
	_ = ours.Close()
	serverErr = <-done
	if clientErr == nil {
		name = c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	return name, serverErr, clientErr
}

type lines struct{ locked.Buffer }

func (l *lines) count(text string) int {
	return strings.Count(l.String(), text)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// A renewed certificate is in use at the first handshake after the interval, and not before.
