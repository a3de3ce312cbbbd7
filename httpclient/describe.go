package httpclient

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/backend-platform/sdk/resilience"
)

// A Description is what a client does, and how the hosts that it calls are.
type Description struct {
	Name string
	// Config is the client's configuration with its defaults; Retry and Breaker are as they were given,
	// and LogValue shows what they mean. Transport is the one in use: the client's own is replaced by
	// another like it when MaxConnAge is over.
	Config Config
	// Hosts are those called lately, the last one first.
	Hosts []HostState

	retry, destinations, concurrency slog.Value
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
		concurrency:  t.bulkhead.LogValue(),
	}
	if own, ok := t.base.(*pool); ok {
		d.Config.Transport = own.transport()
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
		slog.Any("redirect_headers", d.Config.RedirectHeaders),
		slog.Bool("public_only", d.Config.PublicOnly),
		slog.Any("public_only_except", d.Config.PublicOnlyExcept),
		slog.Int64("max_response_bytes", d.Config.MaxResponseBytes),
		limit("max_conn_age", d.Config.MaxConnAge),
		slog.String("transport", fmt.Sprintf("%T", d.Config.Transport)),
		slog.Bool("call_span", d.Config.CallSpan),
		hedgeAttr(d.Config.Hedge),
		slog.Attr{Key: "concurrency", Value: d.concurrency},
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

func hedgeAttr(cfg *resilience.HedgeConfig) slog.Attr {
	switch {
	case cfg == nil:
		return slog.String("hedge", "off")
	case cfg.Delay > 0:
		return slog.String("hedge", "after "+cfg.Delay.String())
	}
	return slog.String("hedge", "by percentile")
}
