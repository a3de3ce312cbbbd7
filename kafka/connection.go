package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Connection says how a client reaches its brokers. The zero value is a plain
// TCP connection. One value may serve many clients.
type Connection struct {
	// ClientID is the name under which the brokers log and limit the client.
	// Empty: the name of the executable.
	ClientID string
	// TLS is the configuration of TLS. Nil: no TLS. It is cloned.
	TLS *tls.Config
	// Dial opens connections, instead of a [net.Dialer] with a timeout of 10 s.
	// Nil: that dialer. TLS is ignored if Dial is set.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Options are passed to kgo.NewClient after those of this package, and win:
	// for what has no field here, such as SASL. Options that change how offsets
	// are committed, records are acknowledged or partitions are assigned break
	// the promises of this package.
	Options []kgo.Opt
}

// metadataMinAge is how soon a client asks again for a topic that was not
// there: kgo's default of 5 s makes an unknown topic take 15 s to be one.
const metadataMinAge = 250 * time.Millisecond

// options returns the options of a client, before those of its user.
func (c Connection) options(brokers []string, log *slog.Logger) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ClientID(c.clientID()),
		kgo.SoftwareNameAndVersion("sdk-kafka", softwareVersion()),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.WithLogger(clientLogger{log}),
	}
	switch {
	case c.Dial != nil:
		opts = append(opts, kgo.Dialer(c.Dial))
	case c.TLS != nil:
		opts = append(opts, kgo.DialTLSConfig(c.TLS.Clone()))
	}
	return opts
}

func (c Connection) clientID() string {
	return cmp.Or(c.ClientID, strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"))
}

// softwareVersion is the module's version in the form that KIP-511 permits:
// letters, digits, dots and hyphens.
func softwareVersion() string {
	version := strings.Map(func(r rune) rune {
		if r < 128 && (topicByte(byte(r)) && r != '_') {
			return r
		}
		return -1
	}, buildinfo.Version("kafka"))
	return cmp.Or(strings.Trim(version, ".-"), "devel")
}

func checkBrokers(brokers []string) error {
	if len(brokers) == 0 {
		return errors.New("brokers: none given")
	}
	var faults []error
	for _, b := range brokers {
		if strings.TrimSpace(b) == "" {
			faults = append(faults, fmt.Errorf("brokers: %q is no address", b))
		}
	}
	return errors.Join(faults...)
}

// dialErrors remembers why the last connection failed: kgo's own error after a
// while without a broker says only that time is up.
type dialErrors struct {
	mu   sync.Mutex
	last error
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (d *dialErrors) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = err
}

func (d *dialErrors) explain(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil || errors.Is(err, d.last) {
		return err
	}
	return fmt.Errorf("%w; last connection: %w", err, d.last)
}

// clientLogger writes what kgo has to say into a slog.Logger, some levels lower:
// what kgo calls an error, such as a lost connection, it mends by itself.
type clientLogger struct{ log *slog.Logger }

// Level implements kgo.Logger.
func (clientLogger) Level() kgo.LogLevel { return kgo.LogLevelWarn }

// Log implements kgo.Logger.
func (l clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level == kgo.LogLevelError {
		to = slog.LevelWarn
	}
	l.log.Log(context.Background(), to, "kafka client: "+msg, keyvals...)
}
