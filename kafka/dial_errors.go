package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// dialErrors remembers why connections failed: kgo's own error after a while
// without a broker says only that time is up. The zero value is ready for use.
type dialErrors struct {
	mu        sync.Mutex
	last      error
	connected bool              // one broker was reached
	refused   map[string]error  // by address: what another try cannot mend
	giveUp    func(cause error) // called when all seeds have refused
	seeds     int
}

// bound returns a context that ends when every one of so many seeds has refused
// the client for good: nobody has to wait for a wrong password to become right.
func (d *dialErrors) bound(ctx context.Context, seeds int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seeds, d.giveUp = seeds, cancel
	return ctx, func() { cancel(context.Canceled) }
}

// OnBrokerConnect implements kgo.HookBrokerConnect. An attempt to connect ends
// with the login.
func (d *dialErrors) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil || !isTimeout(err) { // Whoever waits gives up at last: what came before says more.
		d.last = err
	}
	d.connected = d.connected || err == nil
	if !isRefusal(err) {
		return
	}
	if d.refused == nil {
		d.refused = map[string]error{}
	}
	d.refused[net.JoinHostPort(broker.Host, fmt.Sprint(broker.Port))] = err
	if d.giveUp != nil && !d.connected && len(d.refused) >= d.seeds {
		d.giveUp(err)
	}
}

// explain adds why the last connection failed.
func (d *dialErrors) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil || errors.Is(err, d.last) {
		return err
	}
	return fmt.Errorf("%w; last connection: %w", err, d.last)
}

// wasConnected says whether one broker was reached, and took the login.
func (d *dialErrors) wasConnected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connected
}

// refusal returns an error that says that the brokers refuse the client, nil if
// they do not.
func (d *dialErrors) refusal() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.connected || d.last == nil || d.refused == nil {
		return nil
	}
	for address, err := range d.refused {
		if errors.Is(err, kerr.IllegalSaslState) {
			err = fmt.Errorf("the listener takes no login, or another port does: %w", err)
		}
		return errors.Unauthenticated.Wrap(fmt.Errorf("connect to broker %s: %w", address, err), "")
	}
	return nil
}

// isRefusal says whether a connection failed at what another try cannot mend: a
// login or somebody's certificate.
func isRefusal(err error) bool {
	if errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true // The broker speaks no TLS.
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" // An alert of TLS: the broker refuses our certificate.
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.Canceled) || ok && timeout.Timeout()
}
