package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

var errHelp = errors.New("help was asked for")

// options are the flags that all commands share.
type options struct {
	*flag.FlagSet
	c *cli

	command       command
	brokers, from string
	json          bool

	tls                bool
	ca, cert, key      string
	mechanism          string
	user, passwordFile string
	config             string
	login              *login // of config; nil: there is none

	filter             kafka.DeadLetterFilter
	since, until       string
	codes, reasons     list
	keys, partitionIDs list
}

// list is a flag that may be given more than once, or with commas.
type list struct {
	values []string
	whole  bool // a comma is part of a value
}

func (l *list) String() string { return strings.Join(l.values, ",") }

func (l *list) Set(s string) error {
	if l.whole {
		l.values = append(l.values, s)
		return nil
	}
	l.values = append(l.values, strings.Split(s, ",")...)
	return nil
}

func (c *cli) options(cmd command) *options {
	o := &options{FlagSet: flag.NewFlagSet(cmd.name, flag.ContinueOnError), c: c, command: cmd}
	o.SetOutput(c.err)
	o.Usage = func() {}
	o.StringVar(&o.brokers, "brokers", c.env("KAFKA_BROKERS"), "`host:port,…` of the brokers (KAFKA_BROKERS)")
	o.StringVar(&o.from, "from", "", "`topic` to look into, where it is not dlq.TOPIC.GROUP")
	o.BoolVar(&o.json, "json", false, "one JSON object a line, for programs")
	o.BoolVar(&o.tls, "tls", c.isSet("KAFKA_TLS"), "connect with TLS (KAFKA_TLS=true); -ca and -cert imply it")
	o.StringVar(&o.ca, "ca", c.env("KAFKA_CA_FILE"), "`file` in PEM with the brokers' authorities (KAFKA_CA_FILE)")
	o.StringVar(&o.cert, "cert", c.env("KAFKA_CERT_FILE"), "`file` in PEM with the client's certificate (KAFKA_CERT_FILE)")
	o.StringVar(&o.key, "cert-key", c.env("KAFKA_KEY_FILE"), "`file` in PEM with its key (KAFKA_KEY_FILE)")
	o.StringVar(&o.mechanism, "sasl", c.env("KAFKA_SASL_MECHANISM"), "`mechanism` of the login: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (KAFKA_SASL_MECHANISM); without TLS the first and the last need KAFKA_SASL_UNENCRYPTED=true")
	o.StringVar(&o.user, "user", c.env("KAFKA_SASL_USERNAME"), "`name` to log in with (KAFKA_SASL_USERNAME)")
	o.StringVar(&o.passwordFile, "password-file", c.env("KAFKA_SASL_PASSWORD_FILE"), "`file` with the password or token (KAFKA_SASL_PASSWORD_FILE, or KAFKA_SASL_PASSWORD for the password itself)")
	o.StringVar(&o.config, "command-config", "", "`file` of properties as Kafka's own tools take it, for brokers, TLS and login; flags win over it, and it over variables")
	return o
}

// unencrypted permits to send a secret over a connection without TLS.
const unencrypted = "KAFKA_SASL_UNENCRYPTED"

// isSet reads a variable that is a switch; checkSwitches has said what is none.
func (c *cli) isSet(name string) bool {
	on, _ := strconv.ParseBool(c.env(name))
	return on
}

func (o *options) checkSwitches() error {
	for _, name := range []string{"KAFKA_TLS", unencrypted} {
		if text := o.c.env(name); text != "" {
			if _, err := strconv.ParseBool(text); err != nil {
				return o.wrong("%s is %q, want true or false", name, text)
			}
		}
	}
	secret := o.mechanism == kafka.SASLPlain || o.mechanism == kafka.SASLOAuthBearer
	if secret && !o.tls && o.ca == "" && o.cert == "" && !o.mayBeUnencrypted() {
		return o.wrong("-sasl %s without -tls: everybody on the way could read the secret (%s=true permits it)", o.mechanism, unencrypted)
	}
	return nil
}

// mayBeUnencrypted says whether a secret may go over a connection without TLS.
func (o *options) mayBeUnencrypted() bool {
	return o.c.isSet(unencrypted) || o.login != nil && o.login.unencrypted
}

// given says whether the flag is on the command line.
func (o *options) given(name string) bool {
	found := false
	o.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// filters adds the flags that select dead letters.
func (o *options) filters() {
	o.keys.whole, o.reasons.whole = true, true
	o.Var(&o.codes, "code", "only those that failed with this `code`, such as unavailable; may be repeated")
	o.Var(&o.reasons, "reason", "only those with this `reason`, such as OUT_OF_STOCK; may be repeated")
	o.Var(&o.keys, "key", "only those of records with this `key`; may be repeated")
	o.Var(&o.partitionIDs, "partition", "only those in this `partition` of the dead letters; may be repeated")
	o.StringVar(&o.since, "since", "", "only those that failed since this `time`: 2h (ago), or 2026-11-26T01:30:00Z")
	o.StringVar(&o.until, "until", "", "only those that failed before this `time`")
}

func (o *options) help() {
	fmt.Fprintf(o.c.out, "Usage: kafka-dlq %s %s [flags]\n\n%s\nFlags:\n", o.command.name, o.command.args, o.command.help)
	o.SetOutput(o.c.out)
	o.PrintDefaults()
}

// parse reads flags and arguments in any order and returns the arguments.
func (o *options) parse(args []string, least, most int) ([]string, error) {
	var words []string
	for {
		err := o.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			o.help()
			return nil, errHelp
		case err != nil: // Package flag has said why.
			return nil, o.wrong("")
		}
		if o.NArg() == 0 {
			break
		}
		if ended := len(args) > o.NArg() && args[len(args)-o.NArg()-1] == "--"; ended {
			words = append(words, o.Args()...)
			break
		}
		words, args = append(words, o.Arg(0)), o.Args()[1:]
	}
	if len(words) < least || len(words) > most {
		return nil, o.wrong("the arguments are %q, want %s", words, o.command.args)
	}
	if o.config != "" {
		if err := o.commandConfig(o.config); err != nil {
			return nil, o.wrong("-command-config: %v", err)
		}
	}
	if o.brokers == "" {
		return nil, o.wrong("no brokers: set KAFKA_BROKERS or -brokers, or bootstrap.servers in -command-config")
	}
	if err := o.checkSwitches(); err != nil {
		return nil, err
	}
	return words, o.readFilter()
}

func (o *options) wrong(format string, args ...any) error {
	if format != "" {
		fmt.Fprintf(o.c.err, "kafka-dlq %s: %s\n", o.Name(), printable(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(o.c.err, "kafka-dlq %s -h lists arguments and flags\n", o.Name())
	return errUsage
}

func (o *options) readFilter() error {
	f := kafka.DeadLetterFilter{Reasons: o.reasons.values, Keys: o.keys.values}
	for _, text := range o.codes.values {
		code, err := errors.ParseCode(text)
		if err != nil {
			return o.wrong("-code: %v", err)
		}
		f.Codes = append(f.Codes, code)
	}
	for _, text := range o.partitionIDs.values {
		p, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return o.wrong("-partition %q is no number", text)
		}
		f.Partitions = append(f.Partitions, int32(p))
	}
	var err error
	if f.Since, err = moment(o.since); err != nil {
		return o.wrong("-since: %v", err)
	}
	if f.Until, err = moment(o.until); err != nil {
		return o.wrong("-until: %v", err)
	}
	o.filter = f
	return nil
}

// moment reads a time, or how long ago it was.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration, such as 2h, nor a time, such as %s", text, time.Now().Format(time.RFC3339))
}

func (o *options) addresses() []string { return strings.Split(o.brokers, ",") }

func (o *options) connection() kafka.Connection {
	c := kafka.Connection{ClientID: "kafka-dlq", Dial: o.c.dial, CAFile: o.ca, CertFile: o.cert, KeyFile: o.key}
	if o.tls {
		c.TLS = new(tls.Config)
	}
	if o.login != nil && o.login.tls != nil {
		c.TLS = o.login.tls
	}
	if o.mechanism != "" {
		c.SASL = kafka.SASL{Mechanism: o.mechanism, Credentials: o.credentials, Unencrypted: o.mayBeUnencrypted()}
	}
	return c
}

// logger keeps what kgo says about lost connections away from what is printed,
// unless it is asked for.
func (o *options) logger() *slog.Logger {
	if o.c.env("KAFKA_DEBUG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(o.c.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
