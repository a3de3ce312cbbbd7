package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A signal is traces, metrics or logs, as the variables and the default paths call it.
type signal struct{ name, path string }

var (
	signalTraces  = signal{"TRACES", "/v1/traces"}
	signalMetrics = signal{"METRICS", "/v1/metrics"}
	signalLogs    = signal{"LOGS", "/v1/logs"}
)

// otlpSettings say how one signal reaches its collector.
type otlpSettings struct {
	grpc     bool   // else HTTP
	endpoint string // over HTTP scheme, host and path; over gRPC scheme, host and port
	target   string // over gRPC host and port
	insecure bool   // over gRPC: without TLS
	headers  map[string]string
	gzip     bool
	timeout  time.Duration // of one attempt
	tls      *tls.Config   // nil: the system's roots
}

// otlp reads OTEL_EXPORTER_OTLP_*. Where the signal has no OTLP exporter it reads nothing, since a
// value that has no effect is no reason to stop a service.
func (e *environment) otlp(sig signal, exporters []string) otlpSettings {
	var s otlpSettings
	if !slices.Contains(exporters, exporterOTLP) {
		return s
	}
	name, _ := e.otlpVariable(sig, "PROTOCOL")
	s.grpc = e.protocol(name) == "grpc"
	name, _ = e.otlpVariable(sig, "COMPRESSION")
	s.gzip = e.oneOf(name, "none", "none", "gzip") == "gzip"
	name, _ = e.otlpVariable(sig, "TIMEOUT")
	s.timeout = e.milliseconds(name, 10*time.Second)
	if u := e.endpoint(sig, s.grpc); u != nil {
		s.endpoint, s.target, s.insecure = u.String(), hostPort(u), u.Scheme == "http"
	}
	s.headers = e.headers(sig, s.grpc)
	s.tls = e.tls(sig, s.endpoint)
	if sig == signalMetrics {
		e.oneOf("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "", "cumulative", "delta", "lowmemory")
		e.oneOf("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "",
			"explicit_bucket_histogram", "base2_exponential_bucket_histogram")
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

func (e *environment) protocol(name string) string {
	if value := e.get(name); strings.EqualFold(value, "http/json") {
		e.fault(name, value, "not supported: must be http/protobuf, which goes to the same endpoint, or grpc")
		return ""
	}
	return e.oneOf(name, "http/protobuf", "http/protobuf", "grpc")
}

// endpoint returns the URL that a signal is sent to. Over HTTP the variable for all signals is a base,
// to which the signal's path is added; a signal's own is taken as it is.
//
// Over HTTP a scheme is needed: of collector:4318 the exporter makes https:///v1/traces, and every export
// fails (measured with v1.47.0). There is no right guess between http and https, so it is an error. For
// gRPC the specification has a variable that says it.
func (e *environment) endpoint(sig signal, grpc bool) *url.URL {
	name, value := e.otlpVariable(sig, "ENDPOINT")
	common := name == "OTEL_EXPORTER_OTLP_ENDPOINT"
	if value == "" && grpc {
		return &url.URL{Scheme: "http", Host: "localhost:4317"}
	} else if value == "" {
		value = "http://localhost:4318"
	}
	full := value
	if !strings.Contains(value, "://") {
		if !grpc {
			e.fault(name, value, "has no scheme: write http://%[1]s or https://%[1]s", withoutSecrets(value))
			return nil
		}
		full = e.grpcScheme(sig) + value
	}
	u, err := url.Parse(full)
	if err != nil { // not shown: it quotes the value
		e.fault(name, value, "is not a URL")
		return nil
	}
	if problem := endpointProblem(u); problem != "" {
		e.fault(name, value, "%s", problem)
		return nil
	}
	if grpc && strings.Trim(u.Path, "/") != "" {
		e.fault(name, value, "must not have a path, which gRPC does not use")
		return nil
	}
	if common && !grpc {
		u = u.JoinPath(sig.path)
	}
	return u
}

func (e *environment) grpcScheme(sig signal) string {
	if name, _ := e.otlpVariable(sig, "INSECURE"); e.boolean(name) {
		return "http://"
	}
	return "https://"
}

// hostPort returns host and port, by default the scheme's.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	} else if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// endpointProblem also refuses what the exporter would drop without a word.
func endpointProblem(u *url.URL) string {
	_, _, hostErr := net.SplitHostPort(hostPort(u)) // url.Parse takes http://]0
	switch port, err := strconv.Atoi(u.Port()); {
	case u.Scheme != "http" && u.Scheme != "https":
		return "the scheme must be http or https"
	case u.Hostname() == "":
		return "has no host"
	case hostErr != nil:
		return "the host is not valid"
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
func (e *environment) headers(sig signal, grpc bool) map[string]string {
	name, value := e.otlpVariable(sig, "HEADERS")
	headers := make(map[string]string)
	pairs(value, func(position int, key, value string, ok bool) {
		if !ok || !isToken(key) {
			e.faultf("%s: pair %d is not name=value (not shown, it may be secret)", name, position)
			return
		}
		decoded, err := url.PathUnescape(value)
		switch {
		case err != nil || strings.ContainsFunc(decoded, isControl):
			e.faultf("%s: the value of %q is not a percent-encoded header value (not shown, it may be secret)", name, key)
			return
		case grpc && (!isMetadataKey(key) || strings.ContainsFunc(decoded, notPrintable)):
			e.faultf("%s: gRPC cannot send %q: names are of letters, digits, _, - and ., values of printable ASCII (not shown, it may be secret)", name, key)
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

// isMetadataKey reports whether a header's name can be one of gRPC's ("gRPC over HTTP2", Custom-Metadata),
// which keeps names that begin with grpc- for itself.
func isMetadataKey(s string) bool {
	return !strings.ContainsAny(s, "!#$%&'*+^`|~") && !strings.HasPrefix(strings.ToLower(s), "grpc-")
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

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
