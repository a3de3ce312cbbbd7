package kafka

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The mechanisms of SASL that [SASL] knows, by their registered names.
const (
	// SASLPlain sends user and password as they are (RFC 4616).
	SASLPlain = "PLAIN"
	// SASLScram256 proves that the client knows the password (RFC 5802, RFC 7677).
	SASLScram256 = "SCRAM-SHA-256"
	// SASLScram512 is the same with SHA-512.
	SASLScram512 = "SCRAM-SHA-512"
	// SASLOAuthBearer sends a token (RFC 7628, KIP-255).
	SASLOAuthBearer = "OAUTHBEARER"
)

// SASL says as whom a client logs in to the brokers. The zero value is no login.
// Other mechanisms are an option of kgo's: see [Connection.Options].
type SASL struct {
	// Mechanism is one of [SASLPlain], [SASLScram256], [SASLScram512] and
	// [SASLOAuthBearer]. Empty: no login.
	Mechanism string
	// Credentials returns what to log in with. It is called for each new
	// connection, and again on an old one where the brokers limit a login's life
	// (connections.max.reauth.ms, KIP-368): a rotated password needs no restart.
	// It may be called concurrently, and its error fails that connection, which
	// is tried again. [CredentialFiles] and [TokenFile] read files, such as
	// mounted secrets.
	Credentials func(ctx context.Context) (Credentials, error)
	// Unencrypted permits [SASLPlain] and [SASLOAuthBearer] over a connection
	// without TLS, where everybody on the way can read the password. False:
	// that is a fault of the configuration.
	Unencrypted bool
}

// Credentials are what a client logs in with. They print and log without their
// secrets.
type Credentials struct {
	// User and Password are for [SASLPlain], [SASLScram256] and [SASLScram512].
	User, Password string
	// DelegationToken says that User and Password are the ID and the HMAC of a
	// delegation token (KIP-48), for SCRAM.
	DelegationToken bool
	// Token is for [SASLOAuthBearer].
	Token string
	// Extensions go with Token (KIP-342). Nil: none.
	Extensions map[string]string
}

// String returns the user, and none of the secrets.
func (c Credentials) String() string { return fmt.Sprintf("credentials of user %q", c.User) }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// LogValue implements slog.LogValuer: the user, and none of the secrets.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// CredentialFiles returns a function for [SASL.Credentials] that reads user and
// password from two files, without the line's end after them, whenever they are
// needed. It returns an error for a file that cannot be read, that is empty, or
// that has more than 64 KiB.
func CredentialFiles(userFile, passwordFile string) func(context.Context) (Credentials, error) {
	return func(context.Context) (Credentials, error) {
		user, err := readSecret(userFile)
		if err != nil {
			return Credentials{}, err
		}
		password, err := readSecret(passwordFile)
		return Credentials{User: user, Password: password}, err
	}
}

// TokenFile returns a function for [SASL.Credentials] that reads a token from a
// file, as [CredentialFiles] reads a password: a projected service account's token
// of Kubernetes for instance, which is replaced long before it expires.
func TokenFile(file string) func(context.Context) (Credentials, error) {
	return func(context.Context) (Credentials, error) {
		token, err := readSecret(file)
		return Credentials{Token: token}, err
	}
}

func readSecret(file string) (string, error) {
	const limit = 64 << 10
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch text = bytes.TrimRight(text, "\r\n"); {
	case err != nil:
		return "", fmt.Errorf("read credentials: %w", err)
	case len(text) == 0:
		return "", fmt.Errorf("read credentials: %s is empty", file)
	case len(text) > limit:
		return "", fmt.Errorf("read credentials: %s has more than %d bytes", file, limit)
	}
	return string(text), nil
}

// mechanisms makes kgo's mechanism for each name.
var mechanisms = map[string]func(login func(context.Context) (Credentials, error)) sasl.Mechanism{
	SASLPlain: func(login func(context.Context) (Credentials, error)) sasl.Mechanism {
		return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
			c, err := login(ctx)
			return plain.Auth{User: c.User, Pass: c.Password}, err
		})
	},
	SASLScram256: func(login func(context.Context) (Credentials, error)) sasl.Mechanism {
		return scram.Sha256(scramAuth(login))
	},
	SASLScram512: func(login func(context.Context) (Credentials, error)) sasl.Mechanism {
		return scram.Sha512(scramAuth(login))
	},
	SASLOAuthBearer: newBearer,
}

func scramAuth(login func(context.Context) (Credentials, error)) func(context.Context) (scram.Auth, error) {
	return func(ctx context.Context) (scram.Auth, error) {
		c, err := login(ctx)
		return scram.Auth{User: c.User, Pass: c.Password, IsToken: c.DelegationToken}, err
	}
}

func (s SASL) faults(plaintext bool) []error {
	if s.Mechanism == "" {
		if s.Credentials != nil {
			return []error{errors.New("SASL.Credentials: is given without SASL.Mechanism")}
		}
		return nil
	}
	if mechanisms[s.Mechanism] == nil {
		return []error{fmt.Errorf("SASL.Mechanism is %q, want one of %q", s.Mechanism, slices.Sorted(maps.Keys(mechanisms)))}
	}
	var faults []error
	if s.Credentials == nil {
		faults = append(faults, errors.New("SASL.Credentials: is missing"))
	}
	if sendsSecret := s.Mechanism == SASLPlain || s.Mechanism == SASLOAuthBearer; sendsSecret && plaintext && !s.Unencrypted {
		faults = append(faults, fmt.Errorf("SASL.Mechanism is %s without TLS: everybody on the way could read the secret (SASL.Unencrypted permits it)", s.Mechanism))
	}
	return faults
}
