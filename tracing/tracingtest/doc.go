// Package tracingtest records spans and metrics in memory, so that a test can look at them.
//
//	recorder := tracingtest.NewRecorder()
//	client, err := httpclient.New("inventory", httpclient.Config{TracerProvider: recorder.TracerProvider()})
//	…
//	span := recorder.Span(t, "GET")
//	if got := span.Attr("error.type"); got != "unavailable" {
//
// A test of a service that calls tracing.Setup gives it the recorder's SpanProcessor and MetricReader in
// the tracing.Config instead. Every span that is sampled is there as soon as it has ended; metrics are
// read at the time of the question.
package tracingtest
