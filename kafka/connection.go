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
	"slices"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/buildinfo"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Connection says how a client reaches its brokers. The zero value is a plain
// TCP connection without a login. One value may serve many clients.
type Connection struct {
	// ClientID is the name under which the brokers log and limit the client.
	// Empty: the name of the executable.
	ClientID string
	// TLS is the configuration of TLS, which is used as well when one of the
	// files below is given. Nil, and no file: no TLS. It is cloned.
	TLS *tls.Config
	// CertFile and KeyFile are files in PEM with the client's certificate, its
	// chain, and its key. They are looked at when a connection is opened, at most
	// every 10 s: a renewed certificate needs no restart, and a broken one keeps
	// the old one in use and is logged. They are looked at for the first time when
	// the client is made, where a fault is an error. Empty: no certificate.
	CertFile, KeyFile string
	// CAFile is a file in PEM with the authorities that the brokers' certificates
	// may come from, in place of the system's. It is looked at as CertFile is.
	// Empty: the system's, or those of TLS.
	CAFile string
	// SASL says as whom to log in. Zero: nobody.
	SASL SASL
	// Dial opens connections, below TLS: with a Dial that speaks TLS itself a login
	// by a secret needs SASL.Unencrypted. Nil: a [net.Dialer]. Connecting takes at
	// most 10 s, the TLS handshake included.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Options are passed to kgo.NewClient after those of this package, and win:
	// for what has no field here. Options that change how offsets are committed,
	// records are acknowledged or partitions are assigned break the promises of
	// this package.
	Options []kgo.Opt

	private bool // With TLS or a login; set by resolve.
}

// resolve checks the connection and puts all of its TLS into Dial.
func (c Connection) resolve(log *slog.Logger) (Connection, error) {
	c.private = c.private || c.secured() || c.SASL.Mechanism != ""
	faults := append(c.certificateFaults(), c.SASL.faults(!c.secured())...)
	if len(faults) == 0 {
		dial, err := c.dialer(log)
		if c.Dial = dial; err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return c, fmt.Errorf("Connection: %w", err)
	}
	c.TLS, c.CertFile, c.KeyFile, c.CAFile = nil, "", "", ""
	return c, nil
}

// metadataMinAge is how soon a client asks again for a topic that was not
// there: kgo's default of 5 s makes an unknown topic take 15 s to be one.
const metadataMinAge = 250 * time.Millisecond

// newClient returns a client with the caller's options, and those of its user
// behind them. The connection is a resolved one.
func (c Connection) newClient(brokers []string, log *slog.Logger, more ...kgo.Opt) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(trimmed(brokers)...),
		kgo.ClientID(c.clientID()),
		kgo.SoftwareNameAndVersion("sdk-kafka", softwareVersion()),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.WithLogger(newClientLogger(log)),
		kgo.Dialer(c.Dial),
	}
	if c.SASL.Mechanism != "" {
		opts = append(opts, kgo.SASL(mechanisms[c.SASL.Mechanism](c.SASL.Credentials)))
	}
	client, err := kgo.NewClient(slices.Concat(opts, more, c.Options)...)
	if err != nil {
		return nil, errors.InvalidArgument.Wrap(fmt.Errorf("configure the client: %w", err), "")
	}
	return client, nil
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

// trimmed returns the addresses without the blanks around them that a list in a
// variable has after its commas.
func trimmed(brokers []string) []string {
	out := make([]string, len(brokers))
	for i, b := range brokers {
		out[i] = strings.TrimSpace(b)
	}
	return out
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
