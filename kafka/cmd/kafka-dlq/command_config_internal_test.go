package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/internal/certs/certstest"
)

func TestPropertiesAreReadAsJavaDoes(t *testing.T) {
	got, err := parseProperties("# a comment\n! another = one\n\n a=1\nb : 2\r\nc 3\nd\ne = one \\\n   two\\\\\nf\\:g\\ h=i=j\nk=gr\\u00fce\\t\\u00dfe \\ud83d\\ude00 \\q\nl=a\\\n\nm=n\\\r\n \r\no=p\rr=gr\xfc\xdfe\rq=\\")
	want := map[string]string{"a": "1", "b": "2", "c": "3", "d": "", "e": `one two\`, "f:g h": "i=j", "k": "grüe\tße 😀 q", "l": "a", "m": "n", "o": "p", "r": "grüße", "q": ""}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, text := range []string{`a=\u12`, `a=\uxyz1`, `\u=1`} {
		if got, err := parseProperties(text); err == nil {
			t.Errorf("%s: %v, want an error", text, got)
		}
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add("a=b\\\n c\\u00e9", "x.PlainLoginModule required username=\"u\" password=\"p\\\"\";")
	f.Fuzz(func(_ *testing.T, text, jaas string) {
		_, _ = parseProperties(text)
		_, _ = parseJAAS(jaas)
	})
}

func configured(t *testing.T, text string, env variables, flags ...string) (*options, string) {
	t.Helper()
	var out bytes.Buffer
	c := &cli{env: env.get, out: &out, err: &out}
	o := c.options(listCommand)
	file := certstest.Write(t, t.TempDir(), "client.properties", []byte(text))
	_, err := o.parse(append(flags, "-command-config", file), 0, 2)
	if err != nil {
		return o, out.String()
	}
	return o, ""
}

func TestCommandConfigIsWhatKafkasToolsTake(t *testing.T) {
	ca := certstest.NewAuthority(t, "ca")
	pem := strings.ReplaceAll(string(ca.PEM), "\n", "\\n")
	env := variables{"KAFKA_BROKERS": "elsewhere:1", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_PASSWORD": "other", "KAFKA_CA_FILE": "other.pem", "KAFKA_TLS": "true"}
	token := certstest.Write(t, t.TempDir(), "token", []byte("t0ken"))
	const scram = "bootstrap.servers=b:1,b:2\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n" +
		`sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="shop" password="s\\"3 cr;et";` + "\n"
	for name, c := range map[string]struct {
		text  string
		flags []string
		want  string
	}{
		"nothing":   {"", nil, "elsewhere:1 tls=false ca= cert= sasl= user= secret= plain=false"},
		"plaintext": {"bootstrap.servers = b:1", nil, "b:1 tls=false ca= cert= sasl= user= secret= plain=false"},
		"SCRAM":     {scram, nil, `b:1,b:2 tls=true ca= cert= sasl=SCRAM-SHA-512 user=shop secret=s"3 cr;et plain=false`},
		"single quotes, a blank line after": {"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=x.PlainLoginModule required username='shop' \\\n  password='s\"3 it\\\\'s'; \\\n\nbootstrap.servers=b:1", nil,
			`b:1 tls=true ca= cert= sasl=PLAIN user=shop secret=s"3 it's plain=false`},
		"flags win":          {scram, []string{"-brokers", "f:1", "-user", "me", "-ca", "mine.pem"}, `f:1 tls=true ca=mine.pem cert= sasl=SCRAM-SHA-512 user=me secret=s"3 cr;et plain=false`},
		"PEM files":          {"security.protocol=ssl\nssl.truststore.type=PEM\nssl.truststore.location=/ca.pem\nssl.keystore.type=PEM\nssl.keystore.location=/me.pem", nil, "elsewhere:1 tls=true ca=/ca.pem cert=/me.pem sasl= user= secret= plain=false"},
		"PEM in the file":    {"security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates=" + pem, nil, "elsewhere:1 tls=roots ca= cert= sasl= user= secret= plain=false"},
		"without encryption": {strings.ReplaceAll(scram, "SASL_SSL", "SASL_PLAINTEXT"), nil, `b:1,b:2 tls=false ca= cert= sasl=SCRAM-SHA-512 user=shop secret=s"3 cr;et plain=true`},
		"token": {"security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url=file://" + token + "\nsasl.jaas.config=x.OAuthBearerLoginModule required;", nil,
			"elsewhere:1 tls=true ca= cert= sasl=OAUTHBEARER user= secret=t0ken plain=false"},
	} {
		t.Run(name, func(t *testing.T) {
			o, said := configured(t, c.text, env, c.flags...)
			if said != "" {
				t.Fatal(said)
			}
			got := o.connection()
			secret := ""
			if got.SASL.Mechanism != "" {
				credentials, err := got.SASL.Credentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				secret = credentials.Password
			}
			encrypted := fmt.Sprint(got.TLS != nil)
			if got.TLS != nil && got.TLS.RootCAs != nil {
				encrypted = "roots"
			}
			text := fmt.Sprintf("%s tls=%s ca=%s cert=%s sasl=%s user=%s secret=%s plain=%v", strings.Join(o.addresses(), ","), encrypted, got.CAFile, got.CertFile, got.SASL.Mechanism, o.user, secret, got.SASL.Unencrypted)
			if text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

// What is said to permit a secret without TLS does so, also beside a file.
func TestAVariablePermitsASecretWithoutTLSBesideAFile(t *testing.T) {
	for permitted, want := range map[string]string{"": "KAFKA_SASL_UNENCRYPTED=true permits it", "true": ""} {
		o, said := configured(t, "bootstrap.servers=b:1", variables{"KAFKA_SASL_UNENCRYPTED": permitted}, "-sasl", "PLAIN", "-user", "u")
		if want == "" && (said != "" || !o.connection().SASL.Unencrypted) || !strings.Contains(said, want) {
			t.Errorf("KAFKA_SASL_UNENCRYPTED=%s: said %q, want %q", permitted, said, want)
		}
	}
}

func TestAFlagThatContradictsTheFileIsAnError(t *testing.T) {
	_, said := configured(t, "security.protocol=SSL", variables{"KAFKA_BROKERS": "b:1"}, "-tls=false")
	if want := "security.protocol is SSL, and the flag is -tls=false"; !strings.Contains(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

func TestCommandConfigThatCannotBeTakenNamesTheFault(t *testing.T) {
	const sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"
	for says, text := range map[string]string{
		`security.protocol is "TLS"`:              "security.protocol=TLS",
		"sasl.mechanism is GSSAPI":                "security.protocol=SASL_SSL",
		"sasl.jaas.config: there is no semicolon": sasl + "sasl.jaas.config=x required username=s3cret",
		"a quotation mark is missing":             sasl + `sasl.jaas.config=x required password="s3cret;`,
		"no username or no password":              sasl + `sasl.jaas.config=x required username=u;`,
		"want options as name":                    sasl + `sasl.jaas.config=x required s3cret;`,
		"classes of Java's":                       sasl + "sasl.client.callback.handler.class=x",
		"only PEM is read":                        "security.protocol=SSL\nssl.truststore.location=/etc/trust.jks",
		"names are always checked":                "security.protocol=SSL\nssl.endpoint.identification.algorithm=",
		"a key with a password":                   "security.protocol=SSL\nssl.key.password=s3cret",
		"there is no certificate":                 "security.protocol=SSL\nssl.truststore.certificates=none",
		"want the file:// of a token":             "security.protocol=SASL_SSL\nsasl.mechanism=OAUTHBEARER\nsasl.oauthbearer.token.endpoint.url=https://u:hunter2@x/token",
		`\u wants`:                                `a=\u1`,
	} {
		if _, said := configured(t, text, variables{"KAFKA_BROKERS": "b:1"}); !strings.Contains(said, says) || strings.Contains(said, "s3cret") || strings.Contains(said, "hunter2") {
			t.Errorf("%q: said %q, want %q", text, said, says)
		}
	}
}

// One file serves Kafka's own tools and this command: on a real Kafka, with TLS and SCRAM.
func TestPromiseCommandConfigServesKafkasToolsToo(t *testing.T) {
	brokers, secure, authority := os.Getenv("KAFKA_BROKERS"), os.Getenv("KAFKA_SECURE_BROKERS"), os.Getenv("KAFKA_SECURE_CA_FILE")
	if secure == "" || os.Getenv("KAFKA_CLASSPATH") == "" {
		t.Skip("KAFKA_SECURE_BROKERS and KAFKA_CLASSPATH do not name a real Kafka with TLS and its jars: make test-kafka does")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, user := kadm.NewClient(client), "dlq-"+filepath.Base(t.TempDir())
	altered, err := admin.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "s3cret"}})
	if err == nil {
		err = altered.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = admin.AlterUserSCRAMs(context.Background(), []kadm.DeleteSCRAM{{User: user, Mechanism: kadm.ScramSha512}}, nil)
	})
	file := certstest.Write(t, t.TempDir(), "client.properties", fmt.Appendf(nil, "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location=%s\n"+
		"sasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=%q password=\"s3cret\";\n", authority, user))
	out, err := exec.CommandContext(t.Context(), os.Getenv("KAFKA_JAVA"), "-cp", os.Getenv("KAFKA_CLASSPATH"), "org.apache.kafka.tools.TopicCommand",
		"--bootstrap-server", secure, "--command-config", file, "--list").CombinedOutput()
	if err != nil {
		t.Fatalf("Kafka's tool: %v\n%s", err, out)
	}
	var said bytes.Buffer
	c := &cli{env: variables{}.get, out: &said, err: &said}
	if code := c.run(t.Context(), []string{"list", "-brokers", secure, "--command-config", file}); code != exitDone {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}
