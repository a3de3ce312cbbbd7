package httpclient_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/internal/policy"
)

func TestDescribeShowsWhatAClientDoes(t *testing.T) {
	client := newClient(t, stub{}, httpclient.Config{Timeout: -1, UserAgent: "orders/1.4.2"})
	get(t, client)
	d, ok := httpclient.Describe(client)
	if !ok || d.Name != "inventory" || len(d.Hosts) != 1 || d.Hosts[0].Host != "http://inventory:8080" {
		t.Fatalf("got %+v", d)
	}
	var line bytes.Buffer
	slog.New(slog.NewTextHandler(&line, nil)).Info("policy", "client", d)
	for _, want := range []string{
		"client.name=inventory", "client.timeout=none", "client.attempt_timeout=10s", "client.retry.attempts=3",
		`client.user_agent="orders/1.4.2 sdk-httpclient/`, "client.hosts.destinations=1",
		"client.public_only=false", "client.max_conn_age=5m0s", "client.concurrency.max_concurrent=1000", "client.hedge=off",
		"client.call_span=false", "client.max_response_bytes=10485760",
	} {
		if !strings.Contains(line.String(), want) {
			t.Errorf("no %s in %s", want, line.String())
		}
	}
}

// A client that calls whatever URL it is given must not remember every host for ever.
func TestNumberOfHostsIsBounded(t *testing.T) {
	client := newClient(t, stub{}, httpclient.Config{})
	for i := range 3000 {
		resp, err := send(t, client, "GET", fmt.Sprintf("http://host%d.example.com/", i), "")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if d, _ := httpclient.Describe(client); len(d.Hosts) != 1024 || d.Hosts[0].Host != "http://host2999.example.com:80" {
		t.Errorf("%d hosts are kept, the last one %s", len(d.Hosts), d.Hosts[0].Host)
	}
}

func TestDescribeKnowsOnlyItsOwnClients(t *testing.T) {
	if _, ok := httpclient.Describe(http.DefaultClient); ok {
		t.Error("the default client was described")
	}
}

func TestClientsAreInTheListOfPolicies(t *testing.T) {
	client, err := httpclient.New("listed", httpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, entry := range policy.All() {
		found = found || entry.Kind == "httpclient" && entry.Name == "listed"
	}
	if !found {
		t.Error("the client is not in the list")
	}
	client.CloseIdleConnections()
}
