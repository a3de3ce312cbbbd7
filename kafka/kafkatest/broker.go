package kafkatest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TB is the part of testing.TB that the helpers use, so that a program that
// embeds a broker does not link package testing. *testing.T, *testing.B and
// *testing.F are one.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Config is what a [Broker] starts with. The zero value is one broker without
// topics on a free port.
type Config struct {
	// Topics are created at start: name to number of partitions. Other topics
	// do not exist, as on a cluster with auto.create.topics.enable=false.
	Topics map[string]int
	// Brokers is the number of brokers in the cluster. Zero: 1.
	Brokers int
	// Port is the loopback port of the first broker; the next ones follow it.
	// Zero: free ports, or those from 9092 on if Virtual.
	Port int
	// Virtual keeps the network in memory, for testing/synctest. Clients then
	// have to use [Broker.Dial].
	Virtual bool
	// Timeout bounds every helper that takes a [TB]; the test fails when it has
	// passed. Zero: 10 seconds. Negative: as long as the test's context.
	Timeout time.Duration
	// Options go to kfake after those that this package sets, for instance
	// broker configs. With TLS or SASL the helpers that produce and read do not
	// get in; what waits for a group and injects faults works.
	Options []kfake.Opt
}

const (
	defaultBrokers = 1
	defaultTimeout = 10 * time.Second
	virtualPort    = 9092
	maxPort        = 1<<16 - 1
)

func (c Config) withDefaults() (Config, error) {
	var faults []error
	for _, topic := range slices.Sorted(maps.Keys(c.Topics)) {
		if topic == "" {
			faults = append(faults, errors.New("Topics: a topic has no name"))
		}
		if n := c.Topics[topic]; n < 1 {
			faults = append(faults, fmt.Errorf("Topics[%q] is %d, want at least 1 partition", topic, n))
		}
	}
	if c.Brokers < 0 {
		faults = append(faults, fmt.Errorf("Brokers is %d, want at least 1", c.Brokers))
	}
	if c.Brokers == 0 {
		c.Brokers = defaultBrokers
	}
	if c.Port == 0 && c.Virtual {
		c.Port = virtualPort
	}
	if c.Port < 0 || c.Port > 0 && c.Port+c.Brokers-1 > maxPort {
		faults = append(faults, fmt.Errorf("Port is %d, want ports from 1 to %d for %d brokers", c.Port, maxPort, c.Brokers))
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return c, errors.Join(faults...)
}

// Broker is an embedded Kafka. Its methods are safe for concurrent use; those
// that take a [TB] end the test with Fatalf and so belong on the test's own
// goroutine.
type Broker struct {
	cfg     Config
	cluster *kfake.Cluster
	net     *network
	clients atomic.Uint64 // that asked for what to measure

	mu     sync.RWMutex // kfake blocks forever on a question after its Close.
	closed chan struct{}
}

// Start starts a broker that stops when the test ends. It ends the test when
// the broker cannot start.
func Start(t TB, cfg Config) *Broker {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(b.Close)
	return b
}

// New starts a broker outside of a test. The caller closes it.
func New(cfg Config) (*Broker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("kafkatest: config: %w", err)
	}
	b := &Broker{cfg: cfg, net: newNetwork(cfg.Virtual), closed: make(chan struct{})}
	opts := []kfake.Opt{kfake.ListenFn(b.net.Listen), kfake.NumBrokers(cfg.Brokers)}
	if cfg.Port > 0 {
		ports := make([]int, cfg.Brokers)
		for i := range ports {
			ports[i] = cfg.Port + i
		}
		opts = append(opts, kfake.Ports(ports...))
	}
	for topic, partitions := range cfg.Topics {
		opts = append(opts, kfake.SeedTopics(int32(partitions), topic))
	}
	b.cluster, err = kfake.NewCluster(append(opts, cfg.Options...)...)
	if err != nil {
		return nil, fmt.Errorf("kafkatest: start: %w", err)
	}
	b.cluster.ControlKey(int16(kmsg.GetTelemetrySubscriptions), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		return b.noTelemetry(r.(*kmsg.GetTelemetrySubscriptionsRequest)), nil, true
	})
	return b, nil
}

// noTelemetry answers as a Kafka that nobody has configured to collect the
// metrics of its clients (KIP-714). kfake asks for all of them every 30 s, which
// is most of what an idle client does, and all the work of a test of hours.
func (b *Broker) noTelemetry(req *kmsg.GetTelemetrySubscriptionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.GetTelemetrySubscriptionsResponse)
	resp.ClientInstanceID = req.ClientInstanceID
	if resp.ClientInstanceID == [16]byte{} {
		binary.BigEndian.PutUint64(resp.ClientInstanceID[8:], b.clients.Add(1))
	}
	resp.PushIntervalMillis = int32(telemetryInterval.Milliseconds())
	return resp
}

// telemetryInterval is Kafka's default of a subscription's interval.ms.
const telemetryInterval = 5 * time.Minute

// Close stops the broker and ends its connections. What was written is gone.
// It may be called more than once.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.closed:
		return
	default:
	}
	close(b.closed)
	b.cluster.Close()
	b.net.Close()
}

// Addrs returns the addresses of the brokers, host:port, for a client's
// configuration. They stay the same while the broker is down.
func (b *Broker) Addrs() []string { return b.net.Addrs() }

// Dial connects to a broker: over TCP, or in memory if [Config.Virtual]. It is
// what a client needs as its dialer in a bubble of testing/synctest.
func (b *Broker) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return b.net.Dial(ctx, network, address)
}

// ClientOptions are the address and the dialer for a franz-go client.
func (b *Broker) ClientOptions() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(b.Addrs()...), kgo.Dialer(b.Dial)}
}

// Cluster is the kfake cluster itself, for what this package does not cover.
// Closing the cluster is the broker's business.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Down takes the broker away: connections end, new ones are refused, requests
// in flight stay unanswered. Everything that was written is kept. A broker that
// is down stays down.
func (b *Broker) Down() { b.net.down() }

// Up brings the broker back on the addresses it had. It fails when another
// program took a port meanwhile.
func (b *Broker) Up() error {
	if err := b.net.up(); err != nil {
		return fmt.Errorf("kafkatest: bring up the broker: %w", err)
	}
	return nil
}

// CreateTopic creates a topic and ends the test when that fails, also when the
// topic exists.
func (b *Broker) CreateTopic(t TB, topic string, partitions int) {
	t.Helper()
	err := b.ask(func() error { return b.cluster.CreateTopic(topic, int32(partitions), nil) })
	if err != nil {
		t.Fatalf("kafkatest: create topic %q with %d partitions: %v", topic, partitions, err)
	}
}

// DeleteTopic deletes a topic and ends the test when that fails.
func (b *Broker) DeleteTopic(t TB, topic string) {
	t.Helper()
	if err := b.ask(func() error { return b.cluster.DeleteTopic(topic) }); err != nil {
		t.Fatalf("kafkatest: delete topic %q: %v", topic, err)
	}
}

var errClosed = errors.New("the broker is closed")

// ask runs a question to the cluster, which would block forever after Close.
func (b *Broker) ask(question func() error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	select {
	case <-b.closed:
		return errClosed
	default:
		return question()
	}
}

// context bounds a helper.
func (b *Broker) context(t TB) (context.Context, context.CancelFunc) {
	if b.cfg.Timeout < 0 {
		return context.WithCancel(t.Context())
	}
	cause := fmt.Errorf("%w within %s", context.DeadlineExceeded, b.cfg.Timeout)
	return context.WithTimeoutCause(t.Context(), b.cfg.Timeout, cause)
}

// String names the broker by its addresses.
func (b *Broker) String() string { return "kafkatest(" + strings.Join(b.Addrs(), ",") + ")" }
