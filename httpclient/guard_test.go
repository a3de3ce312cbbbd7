package httpclient_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/resilience"
)

func guardedClient(t testing.TB, except ...string) *http.Client {
	t.Helper()
	cfg := httpclient.Config{PublicOnly: true}
	for _, prefix := range except {
		cfg.PublicOnlyExcept = append(cfg.PublicOnlyExcept, netip.MustParsePrefix(prefix))
	}
	return ownClient(t, cfg)
}

// refused checks that a call was refused before anybody was asked, as the guard refuses.
func refused(t *testing.T, client *http.Client, url string) {
	t.Helper()
	resp, err := send(t, client, "GET", url, "")
	if err == nil {
		_ = resp.Body.Close()
		t.Errorf("%s: status %d, want ErrNotPublic", url, resp.StatusCode)
		return
	}
	if !errors.Is(err, httpclient.ErrNotPublic) || errors.Retryable(err) {
		t.Errorf("%s: %v, retryable %v; want ErrNotPublic and no retry", url, err, errors.Retryable(err))
	}
	if _, retried := errors.AsType[*resilience.AttemptsError](err); retried {
		t.Errorf("%s: was retried: %v", url, err)
	}
}

// A server of ours is asked for in all the ways that lead past a check of the URL's text.
func TestPublicOnlyRefusesAddressesHoweverTheyAreWritten(t *testing.T) {
	server, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	client := guardedClient(t)
	for _, host := range []string{
		"127.0.0.1", "127.0.0.1.", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.01", "017700000001", "127.0.0.01",
		"0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]",
		"[2002:7f00:1::]", "[fe80::1%25lo]", "localhost", "LOCALHOST", "１２７.０.０.１", "①②⑦.⓪.⓪.①", "127。0。0。1",
		"example.com@127.0.0.1", "example.com:80@127.0.0.1", "127.0.0.1%2f.example.com@localhost",
	} {
		refused(t, client, "http://"+host+":"+port+"/")
	}
	if got := connections.Load(); got != 0 {
		t.Errorf("%d connections were made", got)
	}
	if resp, err := send(t, guardedClient(t, "127.0.0.1/32"), "GET", server.URL, ""); err != nil {
		t.Errorf("the exception: %v", err)
	} else {
		readAndClose(t, resp)
	}
}

func TestPublicOnlyKnowsNoOtherSchemes(t *testing.T) {
	client := guardedClient(t)
	for _, target := range []string{"file:///etc/passwd", "unix:///var/run/docker.sock", "gopher://127.0.0.1/", "ftp://127.0.0.1/"} {
		refused(t, client, target)
	}
}

func TestPublicOnlyRefusesRedirectsToPrivateAddresses(t *testing.T) {
	inside, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	location, code := "", 0
	outside := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, location, code)
	}))
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = outside.Listener.Close()
	outside.Listener = listener
	outside.Start()
	defer outside.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "x@127.0.0.1"} {
		for _, code = range []int{301, 302, 303, 307, 308} {
			location = "http://" + host + ":" + port + "/latest/meta-data/"
			refused(t, guardedClient(t, "127.0.0.2/32"), outside.URL)
		}
	}
	if got := connections.Load(); got != 0 {
		t.Errorf("%d connections were made", got)
	}
}

func TestRefusedAddressesAreNoFaultOfTheHost(t *testing.T) {
	client := guardedClient(t)
	for range 50 {
		refused(t, client, "http://localhost:1/")
	}
	if got := breakerState(t, client); got != resilience.Closed {
		t.Errorf("breaker is %v, want closed", got)
	}
	for range 3 {
		refused(t, client, "http://10.0.0.1/")
	}
	if d, _ := httpclient.Describe(client); len(d.Hosts) != 1 {
		t.Errorf("%d hosts are remembered, want none that was refused by its URL", len(d.Hosts))
	}
}

// nameServer answers each question for an IPv4 address with the next of its answers, and has no others.
type nameServer struct {
	mu      sync.Mutex
	answers []string
	asked   atomic.Int64
}

func (s *nameServer) next() []byte {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	v4 := netip.MustParseAddr(answer).As4()
	return v4[:]
}

// install makes the server that of the process until the test ends.
func (s *nameServer) install(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.serve(conn)
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = conn.Close()
		<-served
	})
}

func (s *nameServer) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(s.reply(buf[:n]), from)
	}
}

// reply is RFC 1035, as far as it takes: the header, the question as it came, and one address.
func (s *nameServer) reply(query []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	header := []byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
	reply := slices.Concat(header, query[12:end])
	if binary.BigEndian.Uint16(query[end-4:]) != 1 { // not for an IPv4 address
		return reply
	}
	reply[7] = 1
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(reply, s.next()...)
}

// DNS rebinding: the name is public when the service looks at it, and private a moment later.
func TestPublicOnlyJudgesTheAddressThatIsDialled(t *testing.T) {
	server, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	names := &nameServer{answers: []string{"93.184.215.14", "127.0.0.1"}}
	names.install(t)
	looked, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip4", "rebind.example.com.")
	if err != nil || looked[0].String() != "93.184.215.14" {
		t.Fatalf("the first look-up: %v, %v", looked, err)
	}
	refused(t, guardedClient(t), "http://rebind.example.com.:"+port+"/")
	if names.asked.Load() < 2 || connections.Load() != 0 {
		t.Errorf("%d look-ups, %d connections", names.asked.Load(), connections.Load())
	}
	// The same name does lead to the server.
	resp, err := send(t, ownClient(t, httpclient.Config{}), "GET", "http://rebind.example.com.:"+port+"/", "")
	if err != nil {
		t.Fatal(err)
	}
	readAndClose(t, resp)
}

// A proxy connects in our place: it would fetch the page that the guard refuses.
func TestPublicOnlyUsesNoProxy(t *testing.T) {
	proxy, connections := countingServer(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	refused(t, guardedClient(t), "http://10.0.0.1/")
	refused(t, guardedClient(t), "http://localhost:1/")
	if got := connections.Load(); got != 0 {
		t.Errorf("the proxy got %d connections", got)
	}
}

func TestPublicOnlyIsEnforcedOrRefused(t *testing.T) {
	dial := (&net.Dialer{}).DialContext
	proxy := func(*http.Request) (*url.URL, error) { return nil, nil }
	for name, tc := range map[string]struct {
		transport http.RoundTripper
		fault     string // "": it can be enforced
	}{
		"a plain transport":   {transport: &http.Transport{}},
		"a proxy":             {transport: &http.Transport{Proxy: proxy}, fault: "Proxy"},
		"the default one":     {transport: http.DefaultTransport, fault: "Proxy"},
		"a dial function":     {transport: &http.Transport{DialContext: dial}, fault: "dial function"},
		"a TLS dial function": {transport: &http.Transport{DialTLSContext: dial}, fault: "dial function"},
		"another transport":   {transport: httpclienttest.NewTransport(), fault: "httpclienttest.Transport"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := httpclient.New("webhooks", httpclient.Config{PublicOnly: true, Transport: tc.transport})
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), "PublicOnly: ") || !strings.Contains(err.Error(), tc.fault) {
					t.Errorf("got %v, want a fault of PublicOnly with %q", err, tc.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			refused(t, client, "http://127.0.0.1:1/")
			refused(t, client, "http://localhost:1/")
		})
	}
}

func TestExceptionsNeedPublicOnly(t *testing.T) {
	_, err := httpclient.New("webhooks", httpclient.Config{PublicOnlyExcept: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if err == nil || !strings.Contains(err.Error(), "PublicOnlyExcept: ") {
		t.Errorf("got %v", err)
	}
	_, err = httpclient.New("webhooks", httpclient.Config{PublicOnly: true, PublicOnlyExcept: []netip.Prefix{{}}})
	if err == nil || !strings.Contains(err.Error(), "invalid prefix") {
		t.Errorf("got %v", err)
	}
}
