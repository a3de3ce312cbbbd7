package httpserver_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// served is a real server whose bytes are read from the connection.
func served(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// exchangeBytes sends a request as it is written and returns every byte that comes back, to the end of the
// connection.
func exchangeBytes(t *testing.T, addr net.Addr, request string, args ...any) string {
	t.Helper()
	conn, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs tells nobody why
	if _, err := fmt.Fprintf(conn, request, args...); err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(conn) // an end that is no good one is an answer, too
	return string(raw)
}
