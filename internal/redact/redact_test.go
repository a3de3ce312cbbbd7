package redact_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/internal/redact"
)

func TestKeyKnowsSecretsWhateverTheirSpelling(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "PASSWORD", "db_password", "dbPassword", "DB_PASSWORD", "user.password",
		"passwd", "pwd", "secret", "client_secret", "clientSecret", "clientsecret", "secrets",
		"token", "access_token", "accessToken", "accesstoken", "X-Auth-Token", "refresh-token", "csrf_token",
		"authorization", "Authorization", "Proxy-Authorization", "cookie", "Set-Cookie",
		"api_key", "apiKey", "APIKey", "apikey", "X-API-Key", "x-api-key", "private_key", "privateKey",
		"AWSAccessKeyId", "aws_secret_access_key", "session_id", "sessionId", "credentials", "jwt",
		"X-Goog-Signature", "sig", "signature", "account_key",
	} {
		if !redact.Key(name) {
			t.Errorf("Key(%q) = false, want true", name)
		}
	}
}

func TestKeyLeavesLookAlikes(t *testing.T) {
	for _, name := range []string{
		"", "key", "partition_key", "primary_key", "keyboard", "monkey", "tokens", "max_tokens", "token_count",
		"tokenCount", "token_type", "token_expiry", "secretary", "author", "authority", "passenger", "bypass_cache",
		"compass", "tokenizer", "password_changed", "id", "user_id", "code", "name", "cookies_enabled_x"[:2], "signal",
		"design", "assign", "session", "path", "message", "secret_name", "http.route", "trace_id",
	} {
		if redact.Key(name) {
			t.Errorf("Key(%q) = true, want false", name)
		}
	}
}

func TestTextTakesSecretsOut(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	pem := "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"
	for _, c := range []struct{ in, want string }{
		{"Authorization: Bearer abc.DEF-123", "Authorization: Bearer REDACTED"},
		{"sent bearer abcdefgh1 to x", "sent bearer REDACTED to x"},
		{"Basic dXNlcjpwYXNz", "Basic REDACTED"},
		{"token " + jwt + " expired", "token REDACTED expired"},
		{"key: " + pem + " end", "key: REDACTED end"},
		{"-----BEGIN PRIVATE KEY-----\nMIIB", "REDACTED"},
		{"dial postgres://app:s3cr3t@db:5432/x failed", "dial postgres://app:REDACTED@db:5432/x failed"},
		{"amqp://u:p@ss@host", "amqp://u:REDACTED@host"},
		{"paid with 4111 1111 1111 1111.", "paid with REDACTED."},
		{"paid with 4111-1111-1111-1111", "paid with REDACTED"},
		{"paid with 378282246310005", "paid with REDACTED"},
		{"GET /x?token=abc&page=2", "GET /x?token=REDACTED&page=2"},
		{"password=hunter2, user=bob", "password=REDACTED, user=bob"},
		{"password: hunter2", "password: REDACTED"},
		{`{"password":"hun\"ter2","user":"bob"}`, `{"password":"REDACTED","user":"bob"}`},
		{`{"api_key": "k"}`, `{"api_key": "REDACTED"}`},
		{`{\"secret\":\"s3\"}`, `{\"secret\":\"REDACTED\"}`},
	} {
		if got := redact.Text(c.in); got != c.want {
			t.Errorf("Text(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
		if again := redact.Text(c.want); again != c.want {
			t.Errorf("Text is not stable: Text(%q) = %q", c.want, again)
		}
	}
}

func TestTextLeavesHarmlessTexts(t *testing.T) {
	for _, s := range []string{
		"", "order 17 placed", "basic authentication required", "Bearer authentication required", "the bearer of this",
		"eyJ", "eyJabc", "http://example.com/a:b@c", "at 12:30:45", "1700000000123456789", "offset=4111111111111112",
		"4bf92f3577b34da6a3ce929d0e0e4736", "token_count=12", "max_tokens: 5", "ratio 4.111111111111111", "https://example.com/x?page=2",
		"password=", "error: not_found: order 17", "user@example.com", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
	} {
		if got := redact.Text(s); got != s {
			t.Errorf("Text(%q) = %q, want it unchanged", s, got)
		}
	}
}

func TestTextOfHarmlessTextDoesNotAllocate(t *testing.T) {
	s := "GET /orders/17 answered 200 in 12ms, user-agent curl/8.1, id=17"
	if n := testing.AllocsPerRun(100, func() { redact.Text(s) }); n != 0 {
		t.Errorf("Text allocates %v times", n)
	}
}

func TestURLKeepsEverythingButSecrets(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"https://example.com/a%2Fb?x=1&y=%20z", "https://example.com/a%2Fb?x=1&y=%20z"},
		{"https://bob:pw@example.com/", "https://REDACTED:REDACTED@example.com/"},
		{"https://bob@example.com/", "https://REDACTED:REDACTED@example.com/"},
		{"https://example.com/?a=1&access_token=t&b=2", "https://example.com/?a=1&access_token=REDACTED&b=2"},
		{"https://example.com/?X-Goog-Signature=t", "https://example.com/?X-Goog-Signature=REDACTED"},
		{"https://example.com/?api%5Fkey=t#f", "https://example.com/?api%5Fkey=REDACTED#f"},
		{"https://example.com/?token", "https://example.com/?token"},
	} {
		u, err := url.Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := redact.URL(u); got != c.want {
			t.Errorf("URL(%q) = %q, want %q", c.in, got, c.want)
		}
		if u.String() != c.in {
			t.Errorf("URL changed its argument: %q became %q", c.in, u)
		}
	}
	if got := redact.URL(nil); got != "" {
		t.Errorf("URL(nil) = %q", got)
	}
}

func TestHeaderHidesByNameAndByForm(t *testing.T) {
	if got := redact.Header("X-Api-Key", "k"); got != redact.Placeholder {
		t.Errorf("X-Api-Key: %q", got)
	}
	if got := redact.Header("Referer", "https://a:b@example.com/"); got != "https://a:REDACTED@example.com/" {
		t.Errorf("Referer: %q", got)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"password=x", "Bearer a1b2c3d4", "://u:p@h", "4111 1111 1111 1111", "-----BEGIN PRIVATE KEY-----", `"token":"\`, "eyJ..", "b.b.b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "hunter2hunter2"
		if out := redact.Text(s + " password=" + secret); strings.HasSuffix(out, secret) && !strings.ContainsAny(s, `"'\`) {
			t.Errorf("the secret passed: %q", out)
		}
		redact.Text(s)
		redact.Query(s)
		redact.Key(s)
	})
}
