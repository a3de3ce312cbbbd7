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
		"pass_rate", "signature_algorithm", "jwt_issuer", "cookie_consent", "secret_arn", "prompt_tokens", "total_tokens",
		"maxTokens", "maxtokens", "keys", "partition_keys", "verifier", "assertion", "sha256", "status_code", "key2",
	} {
		if redact.Key(name) {
			t.Errorf("Key(%q) = true, want false", name)
		}
	}
}

const (
	jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"
	pgp = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n-----END PGP PRIVATE KEY BLOCK-----"
)

var secrets = []struct{ in, want string }{
	{"Authorization: Bearer abc.DEF-123", "Authorization: Bearer REDACTED"},
	{"sent bearer abcdefgh1 to x", "sent bearer REDACTED to x"},
	{"sent Bearer  abcdefgh1 to x", "sent Bearer  REDACTED to x"},
	{"Basic dXNlcjpwYXNz", "Basic REDACTED"},
	{`read \nBasic dXNlcjpwYXNz`, `read \nBasic REDACTED`},
	{"token " + jwt + " expired", "token REDACTED expired"},
	{"GET /x?t=" + jwt + "&page=2", "GET /x?t=REDACTED&page=2"},
	{"key: " + pem + " end", "key: REDACTED end"},
	{"private_key: " + pem + " end", "private_key: REDACTED end"},
	{"key: " + pgp + " end", "key: REDACTED end"},
	{"-----BEGIN PRIVATE KEY-----\nMIIB", "REDACTED"},

	// Authorization and cookies
	{"Authorization: ApiKey s3cr3tvalue1", "Authorization: REDACTED"},
	{"authorization: apikey s3cr3tvalue1", "authorization: REDACTED"},
	{"Authorization: Bearer  s3cr3t", "Authorization: Bearer  REDACTED"},
	{"Cookie: theme=dark; sid=s3cr3t", "Cookie: REDACTED"},
	{"Set-Cookie: sid=s3cr3t; Path=/\r\nHost: example.com", "Set-Cookie: REDACTED\r\nHost: example.com"},
	{`"GET / HTTP/1.1\r\nCookie: theme=dark; sid=s3cr3t\r\nHost: example.com"`, `"GET / HTTP/1.1\r\nCookie: REDACTED\r\nHost: example.com"`},
	{`Authorization: Digest username="bob", response="6629fae49393a053"`, "Authorization: Digest REDACTED"},
	{`curl -H "Authorization: Bearer s3cr3t x" -v`, `curl -H "Authorization: Bearer REDACTED" -v`},
	{`curl -H 'Cookie: a="b"; sid=s3cr3t' -v`, `curl -H 'Cookie: REDACTED' -v`},
	{`"msg":"Authorization: Digest response=\"6629\"","n":1`, `"msg":"Authorization: Digest REDACTED","n":1`},
	{`authorization="Bearer s3cr3t" user=bob`, `authorization="REDACTED" user=bob`},
	{"GET /x?authorization=s3cr3t&page=2", "GET /x?authorization=REDACTED&page=2"},

	// URLs and data source names
	{"dial postgres://app:s3cr3t@db:5432/x failed", "dial postgres://app:REDACTED@db:5432/x failed"},
	{"amqp://u:p@ss@host", "amqp://u:REDACTED@host"},
	{"redis://:s3cr3t@host", "redis://:REDACTED@host"},
	{"postgres://app:pa#ss@db/x", "postgres://app:REDACTED@db/x"},
	{"postgres://app:pa/ss@db/x", "postgres://app:REDACTED@db/x"},
	{"postgres://app:pa?ss@db/x", "postgres://app:REDACTED@db/x"},
	{"postgres://app:p@ss/word@db/x", "postgres://app:REDACTED@db/x"},
	{"https://u:pw@example.com/?mail=bob@example.org", "https://u:REDACTED@example.com/?mail=bob@example.org"},
	{"https://0a1b2c3d4e5f60718293@example.com/x", "https://REDACTED@example.com/x"},
	{"https://0a1b2c3d4e5f60718293:x-oauth-basic@example.com/x", "https://REDACTED@example.com/x"},
	{"open app:pw@tcp(db:3306)/x: refused", "open app:REDACTED@tcp(db:3306)/x: refused"},
	{"dsn=app:p:w@unix(/run/db.sock)/x", "dsn=app:REDACTED@unix(/run/db.sock)/x"},
	{"GET /x?token=abc&page=2", "GET /x?token=REDACTED&page=2"},
	{`Get "https://example.com/x?key=AIzaSyS3CR3T": dial tcp`, `Get "https://example.com/x?key=REDACTED": dial tcp`},
	{"GET /cb?code=SplxlOBeZQQYbYS6WxSbIA&state=x", "GET /cb?code=REDACTED&state=x"},
	{"GET /cb?state=x&Code=SplxlOBeZQQYbYS6WxSbIA", "GET /cb?state=x&Code=REDACTED"},

	// cards
	{"paid with 4111 1111 1111 1111.", "paid with REDACTED."},
	{"paid with 4111-1111-1111-1111", "paid with REDACTED"},
	{"paid with 378282246310005", "paid with REDACTED"},
	{"4111 1111 1111 1111 12/27 123", "REDACTED 12/27 123"},
	{"4111111111111111 123", "REDACTED 123"},
	{"card-4111111111111111", "card-REDACTED"},
	{"card_4111111111111111", "card_REDACTED"},
	{"4111111111111111-01", "REDACTED-01"},
	{"4111111111111111_a", "REDACTED_a"},
	{"3782 822463 10005", "REDACTED"},
	{"order 4711 4111 1111 1111 1111", "order 4711 REDACTED"},

	// names and values
	{"password=hunter2, user=bob", "password=REDACTED, user=bob"},
	{"password: hunter2", "password: REDACTED"},
	{"password:    hunter2", "password:    REDACTED"},
	{"password:\thunter2", "password:\tREDACTED"},
	{"password  = hunter2", "password  = REDACTED"},
	{"password => hunter2", "password => REDACTED"},
	{`"password"=>"hunter2"`, `"password"=>"REDACTED"`},
	{"password := hunter2", "password := REDACTED"},
	{"form[password]=hunter2", "form[password]=REDACTED"},
	{"token: Bearer abc x", "token: Bearer REDACTED x"},
	{"password: hunter", "password: REDACTED"},
	{"password: hunter user=bob", "password: REDACTED user=bob"},
	{"pass: 123456", "pass: REDACTED"},
	{"otp: 123", "otp: REDACTED"},
	{"card_secret=4111 1111 1111 1111:x", "card_secret=REDACTED"},
	{"<password>hunter two</password>", "<password>REDACTED</password>"},
	{"<a:Password>hunter2</a:Password>", "<a:Password>REDACTED</a:Password>"},
	{"<user>bob</user><password>hunt", "<user>bob</user><password>REDACTED"},

	// JSON, escaped JSON, lists, printed maps
	{`{"password":"hun\"ter2","user":"bob"}`, `{"password":"REDACTED","user":"bob"}`},
	{`{"password":"hunter2\\","user":"bob"}`, `{"password":"REDACTED","user":"bob"}`},
	{`{"api_key": "k"}`, `{"api_key": "REDACTED"}`},
	{`{\"secret\":\"s3\"}`, `{\"secret\":\"REDACTED\"}`},
	{`{\"authorization\":\"Bearer s3cr3tvalue1\"}`, `{\"authorization\":\"REDACTED\"}`},
	{`{\"password\":\"correct horse battery\",\"n\":1}`, `{\"password\":\"REDACTED\",\"n\":1}`},
	{`{\"password\":\"correct \\\"horse\\\" battery\",\"n\":1}`, `{\"password\":\"REDACTED\",\"n\":1}`},
	{`{\\\"secret\\\":\\\"s3 cr3t\\\",\\\"n\\\":1}`, `{\\\"secret\\\":\\\"REDACTED\\\",\\\"n\\\":1}`},
	{`"body":"{\"secret\":\"s3 cr","n":1`, `"body":"{\"secret\":\"REDACTED","n":1`},
	{"map[Authorization:[Bearer abc123] Cookie:[sid=s3cr3t] X-Api-Key:[k-secret-value]]", "map[Authorization:[REDACTED] Cookie:[REDACTED] X-Api-Key:[REDACTED]]"},
	{`{"X-Api-Key":["k-1","k]2"],"n":1}`, `{"X-Api-Key":[REDACTED],"n":1}`},
	{`{\"X-Api-Key\":[\"k-1\",\"k]2\"],\"n\":1}`, `{\"X-Api-Key\":[REDACTED],\"n\":1}`},
	{`{"token":{"value":"s3cr3t"},"n":1}`, `{"token":{REDACTED},"n":1}`},
	{"map[token:map[value:s3cr3t] n:1]", "map[token:REDACTED n:1]"},
	{"token=[a [b] c", "token=[REDACTED"},

	// tokens known by their beginning
	{"id AKIAIOSFODNN7EXAMPLE used", "id REDACTED used"},
	{"https://ghp_0123456789abcdefABCDEF0123456789abcd@github.com/x", "https://REDACTED@github.com/x"},
	{"use gho_0123456789abcdefABCDEF0123456789abcd", "use REDACTED"},
	{"use github_pat_0123456789abcdefABCDEF_0123456789abcd", "use REDACTED"},
	{"use glpat-0123456789abcdefABCD", "use REDACTED"},
	{"use xoxb-0123456789-abcdefABCDEF", "use REDACTED"},
	{"use xoxp-0123456789-abcdefABCDEF", "use REDACTED"},
	{"use sk_live_" + "0123456789abcdefABCDEF01", "use REDACTED"},
	{"use rk_live_" + "0123456789abcdefABCDEF01", "use REDACTED"},
	{"use AIza" + "SyA0123456789abcdefABCDEF0123456789_", "use REDACTED"},
}

func TestTextTakesSecretsOut(t *testing.T) {
	for _, c := range secrets {
		if got := redact.Text(c.in); got != c.want {
			t.Errorf("Text(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
		if again := redact.Text(c.want); again != c.want {
			t.Errorf("Text is not stable: Text(%q) = %q", c.want, again)
		}
	}
}

var lookAlikes = []string{
	"", "order 17 placed", "basic authentication required", "Bearer authentication required", "the bearer of this",
	"eyJ", "eyJabc", "http://example.com/a:b@c", "at 12:30:45", "1700000000123456789", "offset=4111111111111112",
	"4bf92f3577b34da6a3ce929d0e0e4736", "token_count=12", "max_tokens: 5", "ratio 4.111111111111111", "https://example.com/x?page=2",
	"password=", "error: not_found: order 17", "user@example.com", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",

	// error texts
	"refresh token: dial tcp 10.0.0.1:443: connect: connection refused", "get secret: context deadline exceeded",
	"password: must not be empty", "validate token: token is expired", "get secret: vault: permission denied",
	`refresh token: Post "https://example.com/token": context deadline exceeded`, "read cookie: named cookie not present",

	// values that are none
	"pass: 10", "sig=SIGTERM", `"has_token":true`, `"token":null`, "secret=false,", `password=""`, `\"password\":\"\"`, "token: []", "token={}",
	"password=<nil>", "usage: login <user> <password> [file]", "<token></token>",

	// URLs
	"http://example.com:8080/@scope/pkg@1.2", "http://[::1]:8080/@scope", "https://example.com/@scope/pkg", "https://bob@example.com/",
	"https://example.com/?code", "status code=7, key=orders-17", "git@github.com:acme/x.git", "kafka://a:9092,b:9092/x@y",

	// numbers and identifiers
	"00-4bf92f3577b34da6a3ce929d0e0e4736-4111111111111111-01", "4111111111111111-4bf92f3577b34da6",
	"f81d4fae-4111-4111-8111-111111111111", "41111111-1111-4111-8111-111111111111", "a4111111111111111", "4111111111111111a",
	"4111111111111111111111", "41 1111 1111 111 111", "sk_live_x", "AKIA and AIza", "working sketch gherkin",
}

func TestTextLeavesHarmlessTexts(t *testing.T) {
	for _, s := range lookAlikes {
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
	for _, c := range secrets {
		f.Add(c.in)
	}
	for _, s := range lookAlikes {
		f.Add(s)
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
		redact.Query(s)
		redact.Key(s)
	})
}
