package kafkacluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// The files of OAUTHBEARER, in the cluster's folder: the key that signs tokens, and its public half as a JSON web key
// set (RFC 7517), which the nodes read in place of an identity provider's.
const (
	tokenKeyFile = "token.key"
	keySetFile   = "jwks.json"
)

// TokenAudience and TokenIssuer are what a token's aud and iss have to be.
const (
	TokenAudience = "kafkacluster"
	TokenIssuer   = "https://issuer.example.com"
)

// tokenProperties makes the nodes take tokens that the key has signed. The node itself logs in nowhere; Kafka wants a
// login of it all the same, which the unsecured claim is.
func tokenProperties(dir string) string {
	return fmt.Sprintf(`listener.name.secure.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="node";
listener.name.secure.oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler
listener.name.secure.sasl.oauthbearer.jwks.endpoint.url=%s
listener.name.secure.sasl.oauthbearer.expected.audience=%s
listener.name.secure.sasl.oauthbearer.expected.issuer=%s
`, keySetURL(dir), TokenAudience, TokenIssuer)
}

func keySetURL(dir string) string {
	return "file://" + filepath.ToSlash(filepath.Join(dir, keySetFile))
}

// writeTokenKey writes a key for ES256 and the set with its public half.
func writeTokenKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := privatePEM(key)
	if err != nil {
		return err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return err
	}
	half := (len(point) - 1) / 2
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"kafkacluster","x":%q,"y":%q}]}`,
		base64.RawURLEncoding.EncodeToString(point[1:1+half]), base64.RawURLEncoding.EncodeToString(point[1+half:]))
	if err := os.WriteFile(filepath.Join(dir, keySetFile), []byte(set), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, tokenKeyFile), private, 0o600)
}

// TokenKeyFile is the file in PEM with the key that signs tokens for OAUTHBEARER: ES256, key id kafkacluster. It is
// there until Stop.
func (c *Cluster) TokenKeyFile() string { return filepath.Join(c.dir, tokenKeyFile) }
