package kafka_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// securedVariable names listeners of a real Kafka with TLS and SCRAM, and
// authorityVariable the file with their authority.
const (
	securedVariable   = "KAFKA_SECURE_BROKERS"
	authorityVariable = "KAFKA_SECURE_CA_FILE"
)

// scramCluster is a cluster with listeners that want TLS and a login by SCRAM.
type scramCluster struct {
	*cluster
	brokers []string // the listeners
	ca      string
	user    string
}

// newScramCluster is on the real Kafka where its secure listeners are named, and on kfake
// otherwise.
func newScramCluster(t *testing.T) *scramCluster {
	t.Helper()
	t.Parallel()
	s := &scramCluster{}
	if named := os.Getenv(securedVariable); named != "" {
		s.cluster = newCluster(t, &cluster{addrs: strings.Split(os.Getenv(brokersVariable), ","), limit: time.Minute})
		s.brokers, s.ca = strings.Split(named, ","), os.Getenv(authorityVariable)
	} else {
		ca := certstest.NewAuthority(t, "ca")
		s.ca = certstest.Write(t, t.TempDir(), "ca.pem", ca.PEM)
		b := kafkatest.Start(t, kafkatest.Config{Options: []kfake.Opt{
			kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "admin", "admin"),
			kfake.TLS(&tls.Config{Certificates: []tls.Certificate{ca.Pair(t, certstest.Request{Subject: "broker", Hosts: []string{"127.0.0.1"}})}}),
		}})
		login := []kgo.Opt{
			kgo.SASL(scram.Auth{User: "admin", Pass: "admin"}.AsSha256Mechanism()), kgo.DialTLSConfig(&tls.Config{RootCAs: ca.Pool()}),
		}
		s.cluster = newCluster(t, &cluster{addrs: b.Addrs(), fake: b, limit: time.Minute, login: login})
		s.brokers = b.Addrs()
	}
	s.user = s.prefix + "user"
	t.Cleanup(func() {
		if s.fake == nil {
			_, _ = s.admin.AlterUserSCRAMs(context.Background(), []kadm.DeleteSCRAM{{User: s.user, Mechanism: kadm.ScramSha512}}, nil)
		}
	})
	return s
}

// setPassword gives the user another password.
func (s *scramCluster) setPassword(password string) {
	s.t.Helper()
	altered, err := s.admin.AlterUserSCRAMs(s.t.Context(), nil, []kadm.UpsertSCRAM{
		{User: s.user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password},
	})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if s.fake != nil { // What User would be: kfake refuses all to a user without rules.
		_, err := s.admin.CreateACLs(s.t.Context(), kadm.NewACLs().Allow("User:"+s.user).AllowHosts("*").
			Topics("*").Groups("*").Clusters().ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpAll))
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// connection logs in with the password in a file.
func (s *scramCluster) connection(password string) kafka.Connection {
	s.t.Helper()
	dir := s.t.TempDir()
	return kafka.Connection{CAFile: s.ca, SASL: kafka.SASL{
		Mechanism:   kafka.SASLScram512,
		Credentials: kafka.CredentialFiles(certstest.Write(s.t, dir, "user", []byte(s.user+"\n")), certstest.Write(s.t, dir, "password", []byte(password+"\n"))),
	}}
}

// What cannot be right is an error at once that says what it is, and never the secret.
func TestPromiseARefusedConnectionIsAClearErrorAtOnce(t *testing.T) {
	s := newScramCluster(t)
	topic := s.topic("orders", 1)
	s.setPassword("s3cret")
	stranger := certstest.Write(t, t.TempDir(), "other.pem", certstest.NewAuthority(t, "other").PEM)
	for name, c := range map[string]struct {
		spoil func(*kafka.Connection)
		code  errors.Code
		says  string
	}{
		"password": {func(c *kafka.Connection) { *c = s.connection("wr0ng") }, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED"},
		"mechanism": {func(c *kafka.Connection) {
			c.SASL.Mechanism = kafka.SASLPlain
			if s.fake != nil { // It knows PLAIN, and no tokens.
				c.SASL = kafka.SASL{Mechanism: kafka.SASLOAuthBearer, Credentials: kafka.TokenFile(stranger)}
			}
		}, errors.Unauthenticated, "UNSUPPORTED_SASL_MECHANISM"},
		"authority":   {func(c *kafka.Connection) { c.CAFile = stranger }, errors.Unauthenticated, "unknown authority"},
		"host name":   {func(c *kafka.Connection) { c.TLS = &tls.Config{ServerName: "kafka.example.com"} }, errors.Unauthenticated, "kafka.example.com"},
		"without TLS": {func(c *kafka.Connection) { c.CAFile = "" }, errors.Unavailable, "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			if s.fake != nil && name == "password" { // kfake closes the connection instead.
				defer s.fake.Fault(kafkatest.Fault{Request: kmsg.SASLAuthenticate, Err: kerr.SaslAuthenticationFailed, Times: -1}).Lift()
			}
			connection := s.connection("s3cret")
			c.spoil(&connection)
			// A bound far above what it takes: an error at its end would be deadline_exceeded or unavailable.
			cfg := kafka.ConsumerConfig{Connection: connection, Logger: slog.New(slog.DiscardHandler), StartTimeout: 5 * time.Second}
			consumer, err := kafka.NewConsumer(s.brokers, s.group(), []string{topic}, rejectAll, cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = consumer.Run(t.Context())
			wants(t, err, c.code, c.says)
			if strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// A password is replaced again and again, in the brokers first and in the file later,
// while records are published and handled: none is lost, and nobody has to restart.
func TestPromiseAPasswordReplacedUnderLoadLosesNothing(t *testing.T) {
	s := newScramCluster(t)
	s.setPassword("p-0")
	dir := t.TempDir()
	user := certstest.Write(t, dir, "user", []byte(s.user))
	file := certstest.Write(t, dir, "password", []byte("p-0"))
	connection := kafka.Connection{CAFile: s.ca, SASL: kafka.SASL{Mechanism: kafka.SASLScram512, Credentials: kafka.CredentialFiles(user, file)}}
	s.replaceUnderLoad(connection, func(n int) (renew func()) {
		password := fmt.Sprint("p-", n)
		s.setPassword(password)
		if s.fake != nil { // A real broker asks for the login again after 2 s.
			s.fake.Down()
			if err := s.fake.Up(); err != nil {
				t.Fatal(err)
			}
		}
		return func() { certstest.Write(t, dir, "password", []byte(password)) }
	})
}

// replaceUnderLoad publishes and handles records while expire makes the brokers refuse a
// credential, three times; what it returns renews that. Every record is handled.
func (s *scramCluster) replaceUnderLoad(connection kafka.Connection, expire func(n int) (renew func())) {
	t := s.t
	t.Helper()
	topic := s.topic("orders", 4)
	var got seen
	cfg := s.config()
	cfg.Connection, cfg.StartTimeout = connection, s.limit // The machine may be busy.
	runOn(t, s.brokers, s.group(), []string{topic}, func(_ context.Context, r *kafka.Record) error {
		got.add(r)
		return nil
	}, cfg)
	p, err := kafka.NewProducer(s.brokers, kafka.ProducerConfig{Connection: connection, Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })

	published := 0
	var stop atomic.Bool
	ended := make(chan error, 1)
	go func() {
		for ; !stop.Load(); published++ {
			if err := p.Publish(t.Context(), &kafka.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", published%7), Value: fmt.Append(nil, published)}); err != nil {
				ended <- fmt.Errorf("record %d: %w", published, err)
				return
			}
			s.pass(time.Millisecond)
		}
		ended <- nil
	}()
	for n := 1; n <= 3; n++ {
		s.eventually("records", func() bool { return len(got.list()) >= n*50 })
		renew := expire(n)
		s.calm(3 * time.Second)
		renew()
		before := len(got.list())
		s.eventually("records after the credential is replaced", func() bool {
			select {
			case err := <-ended:
				t.Fatal(err)
			default:
			}
			return len(got.list()) > before+50
		})
	}
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.waitCaughtUp(topic)
	values := map[string]bool{}
	for _, v := range got.list() {
		values[v] = true
	}
	if len(values) != published {
		t.Errorf("%d of %d records were handled", len(values), published)
	}
}
