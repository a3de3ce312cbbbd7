package kafka_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func loginAs(mechanism, user, password string) kafka.SASL {
	return kafka.SASL{Mechanism: mechanism, Unencrypted: true, Credentials: func(context.Context) (kafka.Credentials, error) {
		return kafka.Credentials{User: user, Password: password}, nil
	}}
}

// secureBroker is a broker with a topic "orders".
func secureBroker(t *testing.T, options ...kfake.Opt) *kafkatest.Broker {
	t.Helper()
	b, err := kafkatest.New(kafkatest.Config{Topics: map[string]int{"orders": 1}, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// connects publishes a record and handles it, and returns the first error of the two.
func connects(t *testing.T, b *kafkatest.Broker, c kafka.Connection) error {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	p, err := kafka.NewProducer(b.Addrs(), kafka.ProducerConfig{Connection: c, Logger: quiet, DeliveryTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer p.Close(t.Context())
	if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders", Value: []byte("o-1")}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	consumer, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, func(context.Context, *kafka.Record) error {
		stop()
		return nil
	}, kafka.ConsumerConfig{Connection: c, Logger: quiet})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

func TestLoginWithEveryMechanism(t *testing.T) {
	for _, mechanism := range []string{kafka.SASLPlain, kafka.SASLScram256, kafka.SASLScram512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "shop", "s3cret"))
			if err := connects(t, b, kafka.Connection{SASL: loginAs(mechanism, "shop", "s3cret")}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusedLoginIsAClearError(t *testing.T) {
	t.Run("password", func(t *testing.T) {
		b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret"))
		b.Fault(kafkatest.Fault{Request: kmsg.SASLAuthenticate, Err: kerr.SaslAuthenticationFailed, Times: -1}) // kfake closes the connection instead
		err := refusal(t, b, kafka.Connection{SASL: loginAs(kafka.SASLScram256, "shop", "wr0ng")})
		wants(t, err, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED", b.Addrs()[0])
		if strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("the error shows the password: %v", err)
		}
		for _, err := range kafka.Browse(t.Context(), b.Addrs(), "orders", "g", kafka.BrowseConfig{Connection: kafka.Connection{SASL: loginAs(kafka.SASLScram256, "shop", "wr0ng")}}) {
			wants(t, err, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED")
		}
	})
	t.Run("mechanism", func(t *testing.T) {
		b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret"))
		err := refusal(t, b, kafka.Connection{SASL: kafka.SASL{Mechanism: kafka.SASLOAuthBearer, Unencrypted: true, Credentials: func(context.Context) (kafka.Credentials, error) {
			return kafka.Credentials{Token: "t0ken"}, nil
		}}})
		wants(t, err, errors.Unauthenticated, "UNSUPPORTED_SASL_MECHANISM")
	})
	t.Run("token", func(t *testing.T) {
		b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret"))
		b.Cluster().ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.Cluster().KeepControl()
			return r.ResponseKind(), nil, true
		})
		b.Cluster().ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.Cluster().KeepControl()
			answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			answer.SASLAuthBytes = []byte(`{"status":"invalid_token"}`) // as Kafka answers
			return answer, nil, true
		})
		err := refusal(t, b, kafka.Connection{SASL: kafka.SASL{Mechanism: kafka.SASLOAuthBearer, Unencrypted: true, Credentials: func(context.Context) (kafka.Credentials, error) {
			return kafka.Credentials{Token: "t0ken"}, nil
		}}})
		wants(t, err, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED", "refuse the token", "invalid_token")
		if strings.Contains(err.Error(), "t0ken") {
			t.Errorf("the error shows the token: %v", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret"))
		wants(t, startError(t, b, kafka.Connection{}), errors.Unavailable, "is SASL missing?")
	})
	t.Run("not asked for", func(t *testing.T) {
		b := secureBroker(t)
		b.Fault(kafkatest.Fault{Request: kmsg.SASLHandshake, Err: kerr.IllegalSaslState, Times: -1}) // as Kafka answers on a listener without SASL
		wants(t, startError(t, b, kafka.Connection{SASL: loginAs(kafka.SASLScram256, "shop", "s3cret")}), errors.Unauthenticated, "the listener takes no login")
	})
	t.Run("file", func(t *testing.T) {
		b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret"))
		err := startError(t, b, kafka.Connection{SASL: kafka.SASL{Mechanism: kafka.SASLScram256, Credentials: kafka.CredentialFiles("none/user", "none/password")}})
		wants(t, err, errors.Unavailable, "none/user")
	})
}

// startError returns what a start says that takes a second at most.
func startError(t *testing.T, b *kafkatest.Broker, c kafka.Connection) error {
	t.Helper()
	return startWithin(t, b, c, time.Second)
}

// refusal returns what a start says without waiting for its timeout, which is never over here.
func refusal(t *testing.T, b *kafkatest.Broker, c kafka.Connection) error {
	t.Helper()
	if err := startWithin(t, b, c, 24*time.Hour); err != nil {
		return err
	}
	return errors.New("nothing was said at once")
}

func startWithin(t *testing.T, b *kafkatest.Broker, c kafka.Connection, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	consumer, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return nil },
		kafka.ConsumerConfig{Connection: c, Logger: slog.New(slog.DiscardHandler), StartTimeout: timeout})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

func TestTLSWithFiles(t *testing.T) {
	dir := t.TempDir()
	ca, other := certstest.NewAuthority(t, "ca"), certstest.NewAuthority(t, "other")
	broker := certstest.Request{Subject: "broker", Hosts: []string{"127.0.0.1"}}
	b := secureBroker(t, kfake.TLS(&tls.Config{
		Certificates: []tls.Certificate{ca.Pair(t, broker)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
	}))
	cert, key := ca.Issue(t, certstest.Request{Subject: "shop"})
	strange, strangeKey := other.Issue(t, certstest.Request{Subject: "stranger"})
	good := kafka.Connection{
		CAFile:   certstest.Write(t, dir, "ca.crt", ca.PEM),
		CertFile: certstest.Write(t, dir, "tls.crt", cert), KeyFile: certstest.Write(t, dir, "tls.key", key),
	}
	if err := connects(t, b, good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*kafka.Connection)
		want  string
	}{
		"authority": {func(c *kafka.Connection) { c.CAFile = certstest.Write(t, dir, "other.crt", other.PEM) }, "certificate signed by unknown authority"},
		"host name": {func(c *kafka.Connection) { c.TLS = &tls.Config{ServerName: "orders.example.com"} }, "orders.example.com"},
		"nobody":    {func(c *kafka.Connection) { c.CertFile, c.KeyFile = "", "" }, "certificate required"},
		"stranger": {func(c *kafka.Connection) {
			c.CertFile, c.KeyFile = certstest.Write(t, dir, "s.crt", strange), certstest.Write(t, dir, "s.key", strangeKey)
		}, "unknown certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connection := good
			c.spoil(&connection)
			wants(t, refusal(t, b, connection), errors.Unauthenticated, c.want)
		})
	}
}

func TestReplacedCredentialsAreUsedForTheNextConnection(t *testing.T) {
	dir := t.TempDir()
	b := secureBroker(t, kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "first", "one"), kfake.Superuser(kafka.SASLScram256, "second", "two"))
	user, password := certstest.Write(t, dir, "user", nil), certstest.Write(t, dir, "password", nil)
	c := kafka.Connection{SASL: kafka.SASL{Mechanism: kafka.SASLScram256, Credentials: kafka.CredentialFiles(user, password)}}
	p, err := kafka.NewProducer(b.Addrs(), kafka.ProducerConfig{Connection: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(t.Context())
	for _, login := range []string{"first one", "second two"} {
		name, secret, _ := strings.Cut(login, " ")
		certstest.Write(t, dir, "user", []byte(name+"\r\n"))
		certstest.Write(t, dir, "password", []byte(secret+"\n"))
		if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders", Value: []byte(login)}); err != nil {
			t.Fatalf("%s: %v", login, err)
		}
		b.Down() // and with it the connection
		if err := b.Up(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionNamesEveryFault(t *testing.T) {
	dir := t.TempDir()
	ca := certstest.NewAuthority(t, "ca")
	_, key := ca.Issue(t, certstest.Request{})
	other, _ := ca.Issue(t, certstest.Request{})
	certFile, keyFile := certstest.Write(t, dir, "tls.crt", other), certstest.Write(t, dir, "tls.key", key)
	for want, c := range map[string]kafka.Connection{
		"CertFile: is given without KeyFile":          {CertFile: certFile},
		"KeyFile: is given without CertFile":          {KeyFile: keyFile},
		"CertFile: is given, and so is a certificate": {CertFile: certFile, KeyFile: keyFile, TLS: &tls.Config{Certificates: []tls.Certificate{ca.Pair(t, certstest.Request{})}}},
		"CAFile: is given, and so is TLS.RootCAs":     {CAFile: certFile, TLS: &tls.Config{RootCAs: ca.Pool()}},
		"private key does not match":                  {CertFile: certFile, KeyFile: keyFile},
		"no such file":                                {CAFile: dir + "/none"},
		`SASL.Mechanism is "GSSAPI"`:                  {SASL: kafka.SASL{Mechanism: "GSSAPI"}},
		"SASL.Credentials: is missing":                {SASL: kafka.SASL{Mechanism: kafka.SASLScram256}},
		"given without SASL.Mechanism":                {SASL: kafka.SASL{Credentials: kafka.TokenFile("x")}},
		"PLAIN without TLS":                           {SASL: kafka.SASL{Mechanism: kafka.SASLPlain, Credentials: kafka.CredentialFiles("u", "p")}},
		"PLAIN without TLS: everybody":                {Dial: new(net.Dialer).DialContext, SASL: kafka.SASL{Mechanism: kafka.SASLPlain, Credentials: kafka.CredentialFiles("u", "p")}},
		"OAUTHBEARER without TLS":                     {SASL: kafka.SASL{Mechanism: kafka.SASLOAuthBearer, Credentials: kafka.TokenFile("x")}},
	} {
		t.Run(want, func(t *testing.T) {
			_, err := kafka.NewProducer([]string{"127.0.0.1:1"}, kafka.ProducerConfig{Connection: c})
			wants(t, err, errors.InvalidArgument, want)
			_, err = kafka.NewConsumer([]string{"127.0.0.1:1"}, "g", []string{"orders"}, func(context.Context, *kafka.Record) error { return nil }, kafka.ConsumerConfig{Connection: c})
			wants(t, err, errors.InvalidArgument, want)
			for _, err := range kafka.Browse(t.Context(), []string{"127.0.0.1:1"}, "orders", "g", kafka.BrowseConfig{Connection: c}) {
				wants(t, err, errors.InvalidArgument, want)
			}
		})
	}
}

func TestCredentialFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string { return certstest.Write(t, dir, name, []byte(text)) }
	got, err := kafka.CredentialFiles(write("user", "shop\n"), write("password", " p\u00e4ss \r\n"))(t.Context())
	if err != nil || got.User != "shop" || got.Password != " p\u00e4ss " {
		t.Errorf("got %q %q, %v", got.User, got.Password, err)
	}
	if token, err := kafka.TokenFile(write("token", "ey.J.x"))(t.Context()); err != nil || token.Token != "ey.J.x" {
		t.Errorf("got %q, %v", token.Token, err)
	}
	for want, content := range map[string]string{"is empty": "\n", "more than 65536 bytes": strings.Repeat("x", 65_537)} {
		if _, err := kafka.TokenFile(write("bad", content))(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestCredentialsDoNotPrintTheirSecrets(t *testing.T) {
	c := kafka.Credentials{User: "shop", Password: "s3cret", Token: "t0ken"}
	var lines strings.Builder
	slog.New(slog.NewTextHandler(&lines, nil)).Info("x", "c", c, "p", &c)
	text := fmt.Sprintf("%v %+v %#v %s %v", c, c, c, c, &c) + lines.String()
	if strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") || !strings.Contains(text, "shop") {
		t.Error(text)
	}
}

// The brokers learn of a new password at another moment than the service: a
// member that works stays, and goes on when both know it.
func TestMemberOutlivesARefusedLogin(t *testing.T) {
	for name, fault := range map[string]kafkatest.Fault{
		"login":  {Request: kmsg.SASLAuthenticate, Err: kerr.SaslAuthenticationFailed, Times: -1},
		"rights": {Request: kmsg.JoinGroup, Err: kerr.GroupAuthorizationFailed, Times: -1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, kafkatest.Config{
				Topics:  map[string]int{"orders": 1},
				Options: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(kafka.SASLScram256, "shop", "s3cret")},
			}, func(t *testing.T, b *kafkatest.Broker) {
				connection := kafka.Connection{Dial: b.Dial, SASL: loginAs(kafka.SASLScram256, "shop", "s3cret")}
				cfg := quiet(t, b)
				cfg.Connection = connection
				handled := make(chan string, 1)
				consumer, err := kafka.NewConsumer(b.Addrs(), "g", []string{"orders"}, func(_ context.Context, r *kafka.Record) error {
					handled <- string(r.Value)
					return nil
				}, cfg)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- consumer.Run(ctx) }()
				b.WaitMembers(t, "g", 1)
				publish := func(value string) {
					p, err := kafka.NewProducer(b.Addrs(), kafka.ProducerConfig{Connection: connection, Logger: cfg.Logger})
					if err != nil {
						t.Fatal(err)
					}
					defer p.Close(t.Context())
					if err := p.Publish(t.Context(), &kafka.Record{Topic: "orders", Value: []byte(value)}); err != nil {
						t.Fatal(err)
					}
				}
				publish("before")
				if got := <-handled; got != "before" {
					t.Fatal(got)
				}
				in := b.Fault(fault)
				b.Down()
				time.Sleep(time.Minute) // the group forgets the member
				if err := b.Up(); err != nil {
					t.Fatal(err)
				}
				in.Wait(t, 3)
				select {
				case err := <-ended:
					t.Fatalf("Run ended: %v", err)
				default:
				}
				in.Lift()
				publish("after")
				for <-handled != "after" { // the first may not have been committed
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
