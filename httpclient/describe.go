package httpclient

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/resilience"
)

// A Description is what a client does, and how the hosts that it calls are.
type Description struct {
	Name string
	// Config is the client's configuration with its defaults; Retry and Breaker are as they were given,
	// and LogValue shows what they mean.
	Config Config
	// Hosts are those called lately, the last one first.
	Hosts []HostState

	retry, destinations slog.Value
}

// A HostState is the state of one scheme, host and port.
type HostState struct {
	Host        string // such as https://inventory:8443
	Breaker     resilience.State
	RetriesLeft int // in the retry budget, now
}

// Describe returns what a client made by [New] does. It reports false for any other client, and for
// one whose Transport was wrapped. It may be called at any time.
func Describe(client *http.Client) (Description, bool) {
	t, ok := client.Transport.(*transport)
	if !ok {
		return Description{}, false
	}
	return t.describe(), true
}

func (t *transport) describe() Description {
	d := Description{
		Name:         t.name,
		Config:       t.cfg,
		retry:        t.planner.LogValue(),
		destinations: t.destinations.LogValue(),
	}
	for destination := range t.destinations.All() {
		d.Hosts = append(d.Hosts, HostState{
			Host:        destination.Key,
			Breaker:     destination.Breaker.State(),
			RetriesLeft: destination.Budget.Left(),
		})
	}
	return d
}

// LogValue is what the list of effective policies shows of the client.
func (t *transport) LogValue() slog.Value { return t.describe().LogValue() }

// LogValue shows the description in one log attribute.
func (d Description) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("name", d.Name),
		slog.String("user_agent", d.Config.UserAgent),
		limit("timeout", d.Config.Timeout),
		limit("attempt_timeout", d.Config.AttemptTimeout),
		limit("body_idle_timeout", d.Config.BodyIdleTimeout),
		slog.Bool("idempotency_keys", d.Config.IdempotencyKeys),
		slog.Any("internal_hosts", d.Config.InternalHosts),
		slog.Attr{Key: "retry", Value: d.retry},
		slog.Attr{Key: "hosts", Value: d.destinations},
	)
}

func limit(key string, d time.Duration) slog.Attr {
	if d < 0 {
		return slog.String(key, "none")
	}
	return slog.String(key, d.String())
}
