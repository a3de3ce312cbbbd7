package redact_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/internal/redact"
	"github.com/backend-platform/sdk/internal/redact/redacttest"
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
		"password1", "password2", "newPassword2", "access_tokens", "refreshTokens", "api_keys", "apikeys", "api_key1",
		"dbpass", "X-Functions-Key", "Ocp-Apim-Subscription-Key", "client_assertion", "clientAssertion", "code_verifier",
		"webhook_key", "ssh_key", "cookies", "passwords", "otp_code", "access_key_id",
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
		"TOPIC_AUTHORIZATION_FAILED", "token_denied", "pass_rate", "signature_algorithm", "jwt_issuer", "cookie_consent", "secret_arn", "prompt_tokens", "total_tokens",
		"maxTokens", "maxtokens", "keys", "partition_keys", "verifier", "assertion", "sha256", "status_code", "key2",
	} {
		if redact.Key(name) {
			t.Errorf("Key(%q) = true, want false", name)
		}
	}
}

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"

func TestTextOfHarmlessTextDoesNotAllocate(t *testing.T) {
	s := "GET /orders/17 answered 200 in 12ms, user-agent curl/8.1, id=17"
	if n := testing.AllocsPerRun(100, func() { redact.Text(s) }); n != 0 {
		t.Errorf("Text allocates %v times", n)
	}
	s = "page=2&sort=name:asc;x=y&q=a"
	if n := testing.AllocsPerRun(100, func() { redact.Query(s) }); n != 0 {
		t.Errorf("Query allocates %v times", n)
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
		{"https://example.com/?KEY=t&Code=c", "https://example.com/?KEY=REDACTED&Code=REDACTED"},
		{"https://example.com/?a=1;token=t;b=2", "https://example.com/?a=1;token=REDACTED;b=2"},
		{"https://example.com/cb#access_token=t&state=x", "https://example.com/cb#access_token=REDACTED&state=x"},
		{"https://example.com/cb#/cb?code=t", "https://example.com/cb#/cb?code=REDACTED"},
		{"https://example.com/verify/" + jwt + "/x", "https://example.com/verify/REDACTED/x"},
		{"https://example.com/?t=" + jwt, "https://example.com/?t=REDACTED"},
		{"https://example.com/?next=https://u:pw@h/", "https://example.com/?next=https://u:REDACTED@h/"},
		{"https://example.com/?next=https%3A%2F%2Fu%3Apw%40h%2F", "https://example.com/?next=https%3A%2F%2Fu%3AREDACTED%40h%2F"},
		{"https://example.com/?t=" + jwt + "+u%3A%2F%2Fu%3Apw%40h", "https://example.com/?t=REDACTED+u%3A%2F%2Fu%3AREDACTED%40h"},
		{"https://example.com/?https://u:pw@h/", "https://example.com/?https://u:REDACTED@h/"},
		{"jdbc:mysql://u:pw@h", "jdbc:mysql://u:REDACTED@h"},
		{"jdbc:sqlserver://h:1433;user=sa;password=pw;x=1", "jdbc:sqlserver://h:1433;user=sa;password=REDACTED;x=1"},
		{"https://u:p@example.com/users/bob@example.org", "https://REDACTED:REDACTED@example.com/users/bob@example.org"},
		{"https://example.com/a%20b/c:d@e;x=1?q=a:b;c&d=%zz#/a%2Fb?c=d", "https://example.com/a%20b/c:d@e;x=1?q=a:b;c&d=%zz#/a%2Fb?c=d"},
		{"mailto:bob@example.com", "mailto:bob@example.com"},
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
	for _, c := range redacttest.Corpus() {
		f.Add(c.Text)
	}
	for _, s := range []string{`"token":"\`, "eyJ..", "b.b.b", "token:[{", `\\"token\\":\\"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "hunter2hunter2"
		if out := redact.Text(s + " password=" + secret); strings.HasSuffix(out, secret) && !strings.ContainsAny(s, `"'\`) {
			t.Errorf("the secret passed: %q", out)
		}
		if out := redact.Text(jwt + "\n" + s); !strings.HasPrefix(out, redact.Placeholder) {
			t.Errorf("what follows keeps a token in: %q", out)
		}
		once := redact.Text(s)
		if twice := redact.Text(once); twice != once {
			t.Errorf("Text is not stable: of %q\nthe first leaves %q\nthe next        %q", s, once, twice)
		}
		redact.Query(s)
		redact.Key(s)
	})
}
