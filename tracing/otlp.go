package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// A signal is traces or metrics, as the variables and the default paths call it.
type signal struct{ name, path string }

var (
	signalTraces  = signal{"TRACES", "/v1/traces"}
	signalMetrics = signal{"METRICS", "/v1/metrics"}
)

// otlpSettings say how one signal reaches its collector.
type otlpSettings struct {
	endpoint string // scheme, host and path
	headers  map[string]string
	gzip     bool
	timeout  time.Duration // of one attempt
	tls      *tls.Config   // nil: the system's roots
}

// otlp reads OTEL_EXPORTER_OTLP_*. Where the signal has no OTLP exporter it reads nothing, since a
// value that has no effect is no reason to stop a service.
func (e *environment) otlp(sig signal, exporters []string) otlpSettings {
	var s otlpSettings
	for _, exporter := range exporters {
		if exporter != exporterOTLP {
			continue
		}
		e.protocol(sig)
		name, _ := e.otlpVariable(sig, "COMPRESSION")
		s.gzip = e.oneOf(name, "none", "none", "gzip") == "gzip"
		name, _ = e.otlpVariable(sig, "TIMEOUT")
		s.timeout = e.milliseconds(name, 10*time.Second)
		s.endpoint = e.endpoint(sig)
		s.headers = e.headers(sig)
		s.tls = e.tls(sig, s.endpoint)
		if sig == signalMetrics {
			e.oneOf("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "", "cumulative", "delta", "lowmemory")
			e.oneOf("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "",
				"explicit_bucket_histogram", "base2_exponential_bucket_histogram")
		}
	}
	return s
}

// otlpVariable returns the signal's own variable where it is set, else the one for all signals.
func (e *environment) otlpVariable(sig signal, what string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_" + sig.name + "_" + what
	if value = e.get(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + what
	return name, e.get(name)
}

func (e *environment) protocol(sig signal) {
	name, value := e.otlpVariable(sig, "PROTOCOL")
	switch strings.ToLower(value) {
	case "", "http/protobuf":
	case "grpc", "http/json":
		e.fault(name, value, "not supported: must be http/protobuf, which collectors take on port 4318")
	default:
		e.fault(name, value, "must be http/protobuf")
	}
}

// endpoint returns the URL that a signal is sent to. The variable for all signals is a base, to which
// the signal's path is added; a signal's own is taken as it is.
//
// Of collector:4318 the exporter makes https:///v1/traces, and every export fails (measured with
// v1.47.0). There is no right guess between http and https, so it is an error.
func (e *environment) endpoint(sig signal) string {
	name, value := e.otlpVariable(sig, "ENDPOINT")
	if value == "" {
		return "http://localhost:4318" + sig.path
	}
	if !strings.Contains(value, "://") {
		e.fault(name, value, "has no scheme: write http://%[1]s or https://%[1]s", withoutSecrets(value))
		return ""
	}
	u, err := url.Parse(value)
	if err != nil { // not shown: it quotes the value
		e.fault(name, value, "is not a URL")
		return ""
	}
	if problem := endpointProblem(u); problem != "" {
		e.fault(name, value, "%s", problem)
		return ""
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		return u.JoinPath(sig.path).String()
	}
	return u.String()
}

// endpointProblem also refuses what the exporter would drop without a word.
func endpointProblem(u *url.URL) string {
	switch port, err := strconv.Atoi(u.Port()); {
	case u.Scheme != "http" && u.Scheme != "https":
		return "the scheme must be http or https"
	case u.Hostname() == "":
		return "has no host"
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return "the port must be from 1 to 65535"
	case u.User != nil:
		return "must not hold credentials: set OTEL_EXPORTER_OTLP_HEADERS"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must not have a query or a fragment"
	}
	return ""
}

// headers reads key=value pairs, whose values are percent-encoded. They are secrets: no fault shows
// more than the name of a header.
func (e *environment) headers(sig signal) map[string]string {
	name, value := e.otlpVariable(sig, "HEADERS")
	headers := make(map[string]string)
	pairs(value, func(position int, key, value string, ok bool) {
		if !ok || !isToken(key) {
			e.faultf("%s: pair %d is not name=value (not shown, it may be secret)", name, position)
			return
		}
		decoded, err := url.PathUnescape(value)
		if err != nil || strings.ContainsFunc(decoded, isControl) {
			e.faultf("%s: the value of %q is not a percent-encoded header value (not shown, it may be secret)", name, key)
			return
		}
		headers[key] = strings.TrimSpace(decoded)
	})
	return headers
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// tls reads the certificates now: the exporter ignores a file that is not there, and then fails or,
// worse, goes without.
func (e *environment) tls(sig signal, endpoint string) *tls.Config {
	caName, ca := e.otlpVariable(sig, "CERTIFICATE")
	certName, cert := e.otlpVariable(sig, "CLIENT_CERTIFICATE")
	keyName, key := e.otlpVariable(sig, "CLIENT_KEY")
	if ca == "" && cert == "" && key == "" {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, v := range [][2]string{{caName, ca}, {certName, cert}, {keyName, key}} {
		if v[1] != "" && strings.HasPrefix(endpoint, "http:") {
			e.fault(v[0], v[1], "the endpoint %s is not https", endpoint)
		}
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		config.RootCAs = x509.NewCertPool()
		if err != nil {
			e.fault(caName, ca, "%v", err)
		} else if !config.RootCAs.AppendCertsFromPEM(pem) {
			e.fault(caName, ca, "holds no certificate in PEM")
		}
	}
	switch {
	case cert == "" && key == "":
	case key == "":
		e.fault(certName, cert, "needs %s too", keyName)
	case cert == "":
		e.fault(keyName, key, "needs %s too", certName)
	default:
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			e.fault(certName, cert, "with %s=%q: %v", keyName, key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
