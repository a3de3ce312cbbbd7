package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

// dialer opens the clients of a browse or a redrive.
type dialer struct {
	brokers    []string
	connection Connection
	log        *slog.Logger
	dials      dialErrors
}

// lookupTimeout bounds the questions before the first record is read: where no
// broker answers, that is to be known soon.
const lookupTimeout = 10 * time.Second

func newDialer(brokers []string, connection Connection, log *slog.Logger) *dialer {
	return &dialer{brokers: brokers, connection: connection, log: log}
}

func (d *dialer) open(opts ...kgo.Opt) (*kgo.Client, error) {
	return d.connection.newClient(d.brokers, d.log, append(opts, kgo.WithHooks(&d.dials))...)
}

// lookup asks the brokers, within the time for it. What is no answer of Kafka's
// means that there was none.
func (d *dialer) lookup(ctx context.Context, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	bounded, stop := d.dials.bound(bounded, len(d.brokers))
	defer stop()
	err := ask(bounded)
	if refused := d.dials.refusal(); err != nil && refused != nil {
		return refused
	}
	if err == nil || ctx.Err() != nil || errors.CodeOf(err) != errors.Unknown || isKafkaError(err) {
		return err
	}
	err = fmt.Errorf("ask brokers %s: %w", strings.Join(d.brokers, ","), d.dials.explain(err))
	return errors.Unavailable.Wrap(err, "")
}

// describeTopic returns a topic's ID and partitions. Like any topic that was
// made a moment ago, it may not be known to every broker.
func describeTopic(ctx context.Context, admin *kadm.Client, topic string) (kadm.TopicDetail, error) {
	topics, err := findTopics(ctx, admin, []string{topic})
	return topics[topic], err
}
