// Package httpconv holds what the HTTP client and the HTTP server must agree on: the OpenTelemetry
// semantic conventions for HTTP, and the headers by which they talk to each other.
package httpconv

import (
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Attributes of the stable HTTP conventions (OpenTelemetry semantic conventions 1.23 and later).
const (
	RequestMethod         = attribute.Key("http.request.method")
	RequestMethodOriginal = attribute.Key("http.request.method_original")
	RequestResendCount    = attribute.Key("http.request.resend_count")
	RequestBodySize       = attribute.Key("http.request.body.size")
	ResponseStatusCode    = attribute.Key("http.response.status_code")
	ResponseBodySize      = attribute.Key("http.response.body.size")
	Route                 = attribute.Key("http.route")
	ErrorType             = attribute.Key("error.type")
	ClientAddress         = attribute.Key("client.address")
	NetworkPeerAddress    = attribute.Key("network.peer.address")
	NetworkPeerPort       = attribute.Key("network.peer.port")
	NetworkProtocolName   = attribute.Key("network.protocol.name")
	ProtocolVersion       = attribute.Key("network.protocol.version")
	ServerAddress         = attribute.Key("server.address")
	ServerPort            = attribute.Key("server.port")
	URLFull               = attribute.Key("url.full")
	URLPath               = attribute.Key("url.path")
	URLQuery              = attribute.Key("url.query")
	URLScheme             = attribute.Key("url.scheme")
	URLTemplate           = attribute.Key("url.template")
	UserAgentOriginal     = attribute.Key("user_agent.original")
)

// Names of the metrics.
const (
	ClientRequestDuration  = "http.client.request.duration"
	ClientRequestBodySize  = "http.client.request.body.size"
	ClientResponseBodySize = "http.client.response.body.size"
	ServerRequestDuration  = "http.server.request.duration"
	ServerRequestBodySize  = "http.server.request.body.size"
	ServerResponseBodySize = "http.server.response.body.size"
	ServerActiveRequests   = "http.server.active_requests"
)

// OtherMethod is the value of http.request.method for a method that is not known.
const OtherMethod = "_OTHER"

// DurationBuckets returns the bucket bounds in seconds that the conventions advise for durations.
func DurationBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// Method returns the value of http.request.method: the method if it is one of RFC 9110, PATCH
// (RFC 5789) or QUERY, else "_OTHER", so that a caller cannot make up metric series. The empty method
// of a client request is GET.
func Method(method string) string {
	switch method {
	case "":
		return "GET"
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY":
		return method
	}
	return OtherMethod
}

// Version returns the value of network.protocol.version: "1.1", "2" or "3".
func Version(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1"
	case major == 1 && minor == 0:
		return "1.0"
	}
	return strconv.Itoa(major)
}

// SplitHostPort splits the host of a request or a URL into server.address and server.port. The port
// is 0 where the host names none, or none that is a number.
func SplitHostPort(hostport string) (host string, port int) {
	if strings.LastIndexByte(hostport, ':') <= strings.LastIndexByte(hostport, ']') {
		return trimBrackets(hostport), 0 // without the error that net.SplitHostPort would make
	}
	host, text, err := net.SplitHostPort(hostport)
	if err != nil {
		return trimBrackets(hostport), 0
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int(n)
}

// DefaultPort returns the port of a scheme: 443 for https, 80 for http, else 0.
func DefaultPort(scheme string) int {
	switch scheme {
	case "https":
		return 443
	case "http":
		return 80
	}
	return 0
}

func trimBrackets(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
