package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/certs/certstest"
	"github.com/backend-platform/sdk/kafka"
)

// tokenKeyVariable names the file with the key that signs tokens for the secure listeners
// of a real Kafka.
const tokenKeyVariable = "KAFKA_SECURE_TOKEN_KEY_FILE"

// tokenCluster is a real Kafka whose listeners want TLS and a token.
type tokenCluster struct {
	*scramCluster
	key *ecdsa.PrivateKey
}

// newTokenCluster skips the test where there is none: kfake knows no tokens.
func newTokenCluster(t *testing.T) *tokenCluster {
	t.Helper()
	file := os.Getenv(tokenKeyVariable)
	if file == "" {
		t.Skipf("%s does not name the key of a real Kafka: make test-kafka does", tokenKeyVariable)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &tokenCluster{newScramCluster(t), key.(*ecdsa.PrivateKey)}
}

// claims of a token that the brokers take for a minute.
func (c *tokenCluster) claims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"sub": c.user, "iss": "https://issuer.example.com", "aud": "kafkacluster", "iat": now - 1, "exp": now + 60, "jti": rand.Text()}
}

// signed makes a JSON web token (RFC 7519) with ES256.
func signed(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"ES256","typ":"JWT","kid":"kafkacluster"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + encode(signature)
}

func (c *tokenCluster) connection(file string) kafka.Connection {
	return kafka.Connection{CAFile: c.ca, SASL: kafka.SASL{Mechanism: kafka.SASLOAuthBearer, Credentials: kafka.TokenFile(file)}}
}

// A token that cannot be right is an error at once that says so, and never the token.
func TestPromiseARefusedTokenIsAClearErrorAtOnce(t *testing.T) {
	c := newTokenCluster(t)
	topic := c.topic("orders", 1)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(claim string, value any) string {
		claims := c.claims()
		claims[claim] = value
		return signed(t, c.key, claims)
	}
	for name, token := range map[string]string{
		"expired":        with("exp", time.Now().Unix()-3600),
		"other audience": with("aud", "payroll"),
		"other issuer":   with("iss", "https://other.example.com"),
		"other key":      signed(t, stranger, c.claims()),
		"no token":       "s3cret",
	} {
		t.Run(name, func(t *testing.T) {
			connection := c.connection(certstest.Write(t, t.TempDir(), "token", []byte(token)))
			cfg := kafka.ConsumerConfig{Connection: connection, Logger: slog.New(slog.DiscardHandler), StartTimeout: 5 * time.Second}
			consumer, err := kafka.NewConsumer(c.brokers, c.group(), []string{topic}, rejectAll, cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = consumer.Run(t.Context())
			wants(t, err, errors.Unauthenticated, "SASL_AUTHENTICATION_FAILED", "OAUTHBEARER", "invalid_token")
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// Tokens expire and are replaced later than they should be, while records are published
// and handled: none is lost, and nobody has to restart.
func TestPromiseATokenReplacedUnderLoadLosesNothing(t *testing.T) {
	c := newTokenCluster(t)
	dir := t.TempDir()
	file := certstest.Write(t, dir, "token", []byte(signed(t, c.key, c.claims())))
	c.replaceUnderLoad(c.connection(file), func(int) func() {
		claims := c.claims() // A login lasts 2 s, and the next one reads this.
		claims["exp"] = time.Now().Unix() - 3600
		certstest.Write(t, dir, "token", []byte(signed(t, c.key, claims)))
		return func() { certstest.Write(t, dir, "token", []byte(signed(t, c.key, c.claims()))) }
	})
}
