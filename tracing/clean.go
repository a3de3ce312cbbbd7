package tracing

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/backend-platform/sdk/internal/redact"
)

// OTLP's texts are UTF-8, and protobuf refuses to encode any other: the OTLP exporters then fail the
// whole export (measured with v1.47.0). A path or a user agent is what a client sends, so that a request
// for /%ff would cost the 511 spans that share its batch; an attribute of a metric would cost every
// export to come. What is no UTF-8 becomes U+FFFD.

// cleanSpans returns the spans with texts in UTF-8, and without the secrets in the texts of errors, which
// any library may have recorded; it leaves the slice it is given alone.
func cleanSpans(spans []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	copied := false
	for i, span := range spans {
		if spanIsClean(span) {
			continue
		}
		if !copied {
			spans, copied = slices.Clone(spans), true
		}
		spans[i] = newCleanSpan(span)
	}
	return spans
}

// A cleanSpan is a span with other texts.
type cleanSpan struct {
	sdktrace.ReadOnlySpan
	name   string
	attrs  []attribute.KeyValue
	events []sdktrace.Event
	links  []sdktrace.Link
	status sdktrace.Status
}

func newCleanSpan(span sdktrace.ReadOnlySpan) sdktrace.ReadOnlySpan {
	v := cleanSpan{
		ReadOnlySpan: span,
		name:         validText(span.Name()),
		attrs:        validAttrs(span.Attributes()),
		events:       slices.Clone(span.Events()),
		links:        slices.Clone(span.Links()),
		status:       span.Status(),
	}
	v.status.Description = redact.Text(validText(v.status.Description))
	for i, event := range v.events {
		v.events[i].Name = validText(event.Name)
		v.events[i].Attributes = validAttrs(event.Attributes)
		if m := exceptionMessage(event); m >= 0 {
			attrs := slices.Clone(v.events[i].Attributes)
			attrs[m] = semconv.ExceptionMessage(redact.Text(attrs[m].Value.AsString()))
			v.events[i].Attributes = attrs
		}
	}
	for i := range v.links {
		v.links[i].Attributes = validAttrs(v.links[i].Attributes)
	}
	return v
}

func (v cleanSpan) Name() string                     { return v.name }
func (v cleanSpan) Attributes() []attribute.KeyValue { return v.attrs }
func (v cleanSpan) Events() []sdktrace.Event         { return v.events }
func (v cleanSpan) Links() []sdktrace.Link           { return v.links }
func (v cleanSpan) Status() sdktrace.Status          { return v.status }

func spanIsClean(span sdktrace.ReadOnlySpan) bool {
	if !utf8.ValidString(span.Name()) || !textIsClean(span.Status().Description) || !attrsAreValid(span.Attributes()) {
		return false
	}
	for _, event := range span.Events() {
		if !utf8.ValidString(event.Name) || !attrsAreValid(event.Attributes) {
			return false
		}
		if m := exceptionMessage(event); m >= 0 && !textIsClean(event.Attributes[m].Value.AsString()) {
			return false
		}
	}
	return !slices.ContainsFunc(span.Links(), func(l sdktrace.Link) bool { return !attrsAreValid(l.Attributes) })
}

func textIsClean(text string) bool { return utf8.ValidString(text) && redact.Text(text) == text }

// exceptionMessage returns the place of the message among the attributes of an exception event, or -1.
func exceptionMessage(event sdktrace.Event) int {
	if event.Name != semconv.ExceptionEventName {
		return -1
	}
	return slices.IndexFunc(event.Attributes, func(a attribute.KeyValue) bool {
		return a.Key == semconv.ExceptionMessageKey && a.Value.Type() == attribute.STRING
	})
}

// validRecords changes log records, which are the batch processor's own copies.
func validRecords(records []sdklog.Record) []sdklog.Record {
	for i := range records {
		r := &records[i]
		r.SetSeverityText(validText(r.SeverityText()))
		r.SetEventName(validText(r.EventName()))
		if body := r.Body(); !valueIsValid(body) {
			r.SetBody(validValue(body))
		}
		valid := true
		r.WalkAttributes(func(a attribute.KeyValue) bool {
			valid = attrIsValid(a)
			return valid
		})
		if valid {
			continue
		}
		attrs := make([]attribute.KeyValue, 0, r.AttributesLen())
		r.WalkAttributes(func(a attribute.KeyValue) bool {
			attrs = append(attrs, a)
			return true
		})
		r.SetAttributes(validAttrs(attrs)...)
	}
	return records
}

// makeValid changes the attributes of what a reader has collected, which is the pipeline's own.
func makeValid(metrics *metricdata.ResourceMetrics) {
	for _, scope := range metrics.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				makePointsValid(data.DataPoints)
			case metricdata.Sum[float64]:
				makePointsValid(data.DataPoints)
			case metricdata.Gauge[int64]:
				makePointsValid(data.DataPoints)
			case metricdata.Gauge[float64]:
				makePointsValid(data.DataPoints)
			case metricdata.Histogram[int64]:
				makeHistogramValid(data.DataPoints)
			case metricdata.Histogram[float64]:
				makeHistogramValid(data.DataPoints)
			case metricdata.ExponentialHistogram[int64]:
				makeExponentialValid(data.DataPoints)
			case metricdata.ExponentialHistogram[float64]:
				makeExponentialValid(data.DataPoints)
			}
		}
	}
}

func makePointsValid[N int64 | float64](points []metricdata.DataPoint[N]) {
	for i := range points {
		makePointValid(&points[i].Attributes, points[i].Exemplars)
	}
}

func makeHistogramValid[N int64 | float64](points []metricdata.HistogramDataPoint[N]) {
	for i := range points {
		makePointValid(&points[i].Attributes, points[i].Exemplars)
	}
}

func makeExponentialValid[N int64 | float64](points []metricdata.ExponentialHistogramDataPoint[N]) {
	for i := range points {
		makePointValid(&points[i].Attributes, points[i].Exemplars)
	}
}

func makePointValid[N int64 | float64](attrs *attribute.Set, exemplars []metricdata.Exemplar[N]) {
	for next := attrs.Iter(); next.Next(); {
		if !attrIsValid(next.Attribute()) {
			*attrs = attribute.NewSet(validAttrs(attrs.ToSlice())...)
			break
		}
	}
	for i := range exemplars {
		exemplars[i].FilteredAttributes = validAttrs(exemplars[i].FilteredAttributes)
	}
}

// validAttrs returns attributes in UTF-8; it leaves the slice it is given alone.
func validAttrs(attrs []attribute.KeyValue) []attribute.KeyValue {
	if attrsAreValid(attrs) {
		return attrs
	}
	valid := slices.Clone(attrs)
	for i, a := range valid {
		valid[i] = attribute.KeyValue{Key: attribute.Key(validText(string(a.Key))), Value: validValue(a.Value)}
	}
	return valid
}

func attrsAreValid(attrs []attribute.KeyValue) bool {
	for _, a := range attrs {
		if !attrIsValid(a) {
			return false
		}
	}
	return true
}

func attrIsValid(a attribute.KeyValue) bool {
	return utf8.ValidString(string(a.Key)) && valueIsValid(a.Value)
}

func valueIsValid(v attribute.Value) bool {
	switch v.Type() {
	case attribute.STRING:
		return utf8.ValidString(v.AsString())
	case attribute.STRINGSLICE:
		return !slices.ContainsFunc(v.AsStringSlice(), func(s string) bool { return !utf8.ValidString(s) })
	case attribute.SLICE:
		return !slices.ContainsFunc(v.AsSlice(), func(v attribute.Value) bool { return !valueIsValid(v) })
	case attribute.MAP:
		return attrsAreValid(v.AsMap())
	}
	return true
}

func validValue(v attribute.Value) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(validText(v.AsString()))
	case attribute.STRINGSLICE:
		list := slices.Clone(v.AsStringSlice())
		for i, s := range list {
			list[i] = validText(s)
		}
		return attribute.StringSliceValue(list)
	case attribute.SLICE:
		list := slices.Clone(v.AsSlice())
		for i, element := range list {
			list[i] = validValue(element)
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		return attribute.MapValue(validAttrs(v.AsMap())...)
	}
	return v
}

func validText(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }
