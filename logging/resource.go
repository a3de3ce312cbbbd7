package logging

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/backend-platform/sdk/internal/buildinfo"
)

// resource says who writes the lines. The variables of OpenTelemetry win over the name in the code, as
// they do in package tracing: a line and a span of one process must agree on their service.
func resource(service, version string, getenv func(string) string) (name, release string) {
	attrs := resourceAttributes(getenv("OTEL_RESOURCE_ATTRIBUTES"))
	name = cmp.Or(strings.TrimSpace(getenv("OTEL_SERVICE_NAME")), attrs["service.name"], service)
	release = cmp.Or(version, attrs["service.version"])
	if release == "" {
		release = buildinfo.Read().Main.Version
	}
	if release == "(devel)" {
		release = ""
	}
	return name, release
}

// resourceAttributes reads a list of key=value with percent-encoding (OpenTelemetry, resource SDK). What
// cannot be read is left out: package tracing reports it.
func resourceAttributes(list string) map[string]string {
	attrs := make(map[string]string)
	for pair := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		if plain, err := url.PathUnescape(strings.TrimSpace(value)); err == nil {
			attrs[strings.TrimSpace(key)] = plain
		}
	}
	return attrs
}
