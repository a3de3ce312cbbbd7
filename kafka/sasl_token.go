package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

// bearer is kgo's OAUTHBEARER, but for what it makes of a refusal: brokers answer one
// with data and without an error (RFC 7628, 3.2.3), which kgo 1.22.2 calls unexpected and
// tries again until time is up.
type bearer struct{ sasl.Mechanism }

func newBearer(login func(context.Context) (Credentials, error)) sasl.Mechanism {
	return bearer{oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		c, err := login(ctx)
		return oauth.Auth{Token: c.Token, Extensions: c.Extensions}, err
	})}
}

// Authenticate implements sasl.Mechanism.
func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := b.Mechanism.Authenticate(ctx, host)
	return bearerSession{session}, first, err
}

type bearerSession struct{ sasl.Session }

// Challenge implements sasl.Session.
func (s bearerSession) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) > 0 {
		return false, nil, fmt.Errorf("%w (the brokers refuse the token for %s: expired, for another audience, of an issuer or a key that they do not know? They say %q)",
			kerr.SaslAuthenticationFailed, SASLOAuthBearer, clampText(string(answer), maxReasonBytes))
	}
	return s.Session.Challenge(answer)
}
