package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// login is what a file of properties says beside what has a flag.
type login struct {
	password        string
	delegationToken bool
	unencrypted     bool // SASL_PLAINTEXT: it says so itself
	tls             *tls.Config
}

// commandConfig takes what a client of Java's would take from a file of properties, such as
// those that Kafka's own tools get with --command-config. It wins over variables, and
// flags win over it.
func (o *options) commandConfig(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := parseProperties(string(text))
	if err == nil {
		err = o.take(properties(p))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

type properties map[string]string

func (o *options) take(p properties) error {
	o.set("brokers", &o.brokers, p["bootstrap.servers"], false)
	protocol := strings.ToUpper(p["security.protocol"])
	if protocol == "" {
		protocol = "PLAINTEXT"
	}
	if !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol) {
		return fmt.Errorf("security.protocol is %q, want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", p["security.protocol"])
	}
	secure, withLogin := strings.HasSuffix(protocol, "SSL"), strings.HasPrefix(protocol, "SASL")
	for name, file := range map[string]*string{"ca": &o.ca, "cert": &o.cert, "cert-key": &o.key, "sasl": &o.mechanism, "user": &o.user, "password-file": &o.passwordFile} {
		o.set(name, file, "", true) // Variables are of another connection.
	}
	switch {
	case !o.given("tls"):
		o.tls = secure
	case secure && !o.tls:
		return fmt.Errorf("security.protocol is %s, and the flag is -tls=false", protocol)
	}
	o.login = &login{unencrypted: protocol == "SASL_PLAINTEXT"}
	var errs []error
	if secure {
		errs = append(errs, o.takeTLS(p))
	}
	if withLogin {
		errs = append(errs, o.takeSASL(p))
	}
	return errors.Join(errs...)
}

// set sets what a flag has not set.
func (o *options) set(name string, to *string, value string, empty bool) {
	if (value != "" || empty) && !o.given(name) {
		*to = value
	}
}

func (o *options) takeTLS(p properties) error {
	if name, ok := p["ssl.endpoint.identification.algorithm"]; ok && !strings.EqualFold(name, "https") {
		return fmt.Errorf("ssl.endpoint.identification.algorithm is %q: the brokers' names are always checked here", name)
	}
	for _, store := range []string{"ssl.truststore", "ssl.keystore"} {
		if kind := p[store+".type"]; p[store+".location"] != "" && !strings.EqualFold(kind, "PEM") {
			return fmt.Errorf("%s.type is %q: only PEM is read here (keytool -exportcert -rfc writes a certificate as PEM; or see -ca, -cert and -cert-key)", store, kind)
		}
	}
	if p["ssl.key.password"] != "" {
		return errors.New("ssl.key.password: a key with a password is not read here (openssl pkey writes it without)")
	}
	o.set("ca", &o.ca, p["ssl.truststore.location"], false)
	o.set("cert", &o.cert, p["ssl.keystore.location"], false)
	o.set("cert-key", &o.key, p["ssl.keystore.location"], false)
	inline := &tls.Config{}
	if pem := p["ssl.truststore.certificates"]; pem != "" {
		inline.RootCAs = x509.NewCertPool()
		if !inline.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return errors.New("ssl.truststore.certificates: there is no certificate in it")
		}
	}
	if chain := p["ssl.keystore.certificate.chain"]; chain != "" {
		pair, err := tls.X509KeyPair([]byte(chain), []byte(p["ssl.keystore.key"]))
		if err != nil {
			return fmt.Errorf("ssl.keystore.certificate.chain and ssl.keystore.key: %w", err)
		}
		inline.Certificates = []tls.Certificate{pair}
	}
	o.login.tls = inline
	return nil
}

func (o *options) takeSASL(p properties) error {
	mechanism := p["sasl.mechanism"]
	if mechanism == "" {
		mechanism = "GSSAPI" // Kafka's default, which is refused below.
	}
	known := []string{kafka.SASLPlain, kafka.SASLScram256, kafka.SASLScram512, kafka.SASLOAuthBearer}
	if !slices.Contains(known, mechanism) {
		return fmt.Errorf("sasl.mechanism is %s, want one of %s", mechanism, strings.Join(known, ", "))
	}
	for _, name := range []string{"sasl.client.callback.handler.class", "sasl.login.class"} {
		if p[name] != "" {
			return fmt.Errorf("%s: classes of Java's are not run here", name)
		}
	}
	o.set("sasl", &o.mechanism, mechanism, false)
	if mechanism == kafka.SASLOAuthBearer {
		return o.takeToken(p)
	}
	jaas, err := parseJAAS(p["sasl.jaas.config"])
	if err != nil {
		return fmt.Errorf("sasl.jaas.config: %w", err)
	}
	o.set("user", &o.user, jaas["username"], false)
	o.login.password, o.login.delegationToken = jaas["password"], jaas["tokenauth"] == "true"
	return nil
}

// takeToken takes the file that FileJwtRetriever of Kafka's reads.
func (o *options) takeToken(p properties) error {
	const name = "sasl.oauthbearer.token.endpoint.url"
	at, err := url.Parse(p[name])
	if err != nil || at.Scheme != "file" {
		if o.passwordFile != "" {
			return nil
		}
		scheme, _, _ := strings.Cut(p[name], ":") // What follows may have a secret in it.
		return fmt.Errorf("%s begins with %q, want the file:// of a token: none is fetched here; -password-file names one, too", name, scheme)
	}
	o.set("password-file", &o.passwordFile, at.Path, false)
	return nil
}

// parseJAAS reads the options of one login module:
//
//	org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
func parseJAAS(text string) (map[string]string, error) {
	words, err := jaasWords(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	if len(words) < 2 {
		return nil, errors.New("want a login module, required, and its options")
	}
	found := map[string]string{}
	for _, word := range words[2:] {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, errors.New("want options as name=\"value\" and a semicolon at the end") // Without the word, which may be a secret.
		}
		found[name] = value
	}
	if found["username"] == "" || found["password"] == "" {
		return nil, errors.New("there is no username or no password in it")
	}
	return found, nil
}

// jaasWords splits at blanks, and takes quotation marks of both kinds and backslashes away.
func jaasWords(text string) ([]string, error) {
	text, ended := strings.CutSuffix(text, ";")
	if !ended {
		return nil, errors.New("there is no semicolon at its end")
	}
	var words []string
	var word strings.Builder
	quote, begun := byte(0), false // quote is the mark that ends what is in quotation marks
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote == 0 && (c == '"' || c == '\''):
			quote, begun = c, true
		case c == quote:
			quote = 0
		case c == '\\' && quote != 0 && i+1 < len(text):
			i++
			word.WriteByte(text[i])
		case quote == 0 && strings.IndexByte(" \t\r\n", c) >= 0:
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quotation mark is missing")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// credentials are those of the file, unless flags or variables name others.
func (o *options) credentials(ctx context.Context) (kafka.Credentials, error) {
	secret, delegation := o.c.env("KAFKA_SASL_PASSWORD"), false
	if o.login != nil {
		secret, delegation = o.login.password, o.login.delegationToken
	}
	if o.passwordFile != "" {
		read, err := kafka.TokenFile(o.passwordFile)(ctx)
		if err != nil {
			return kafka.Credentials{}, err
		}
		secret = read.Token
	}
	return kafka.Credentials{User: o.user, Password: secret, Token: secret, DelegationToken: delegation}, nil
}
