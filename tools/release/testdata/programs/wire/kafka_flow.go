package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/backend-platform/sdk/resilience"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// The flow is what services of a group leave in a cluster: records, dead letters, retry topics, progress of redrives,
// and what they measure. Times and trace ids are made the same for every run.
const (
	flowTime   = 1_700_000_000_000 // of the records
	flowFailed = 1_700_000_060_000 // of all else
	flowTrace  = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

// program is what kafkatest takes for a test.
type program struct{ cleanup []func() }

func (*program) Helper()                           {}
func (p *program) Cleanup(f func())                { p.cleanup = append(p.cleanup, f) }
func (*program) Context() context.Context          { return context.Background() }
func (*program) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (p *program) end() {
	for _, f := range slices.Backward(p.cleanup) {
		f()
	}
}

type flow struct {
	program
	b       *kafkatest.Broker
	spans   *tracetest.SpanRecorder
	metrics *metric.ManualReader
	tracer  *sdktrace.TracerProvider
	meter   *metric.MeterProvider
	sums    map[string][]string
}

func newFlow(topics map[string]int) *flow {
	f := &flow{spans: tracetest.NewSpanRecorder(), metrics: metric.NewManualReader(), sums: map[string][]string{}}
	f.b = kafkatest.Start(&f.program, kafkatest.Config{Topics: topics})
	f.tracer, f.meter = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(f.spans)), metric.NewMeterProvider(metric.WithReader(f.metrics))
	return f
}

// consume lets a consumer run until done says so.
func (f *flow) consume(group string, h kafka.Handler, done func(*kafka.Consumer) bool) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c, err := kafka.NewConsumer(f.b.Addrs(), group, []string{"orders"}, h, kafka.ConsumerConfig{
		Unordered: true, RetryDelays: []time.Duration{time.Minute}, Attempts: 3, SpringHeaders: true,
		Backoff: resilience.Backoff{Base: time.Millisecond, Max: time.Millisecond}, Logger: slog.New(slog.DiscardHandler),
		TracerProvider: f.tracer, MeterProvider: f.meter, Propagator: propagation.TraceContext{},
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for limit := time.Now().Add(30 * time.Second); !done(c); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-ended:
			return err
		default:
		}
		if time.Now().After(limit) {
			return fmt.Errorf("group %s does not come to an end: %+v", group, c.Status())
		}
	}
	f.measure()
	stop()
	return <-ended
}

// run is the flow: of three records one is handled, one is a dead letter, which is put back and parked as well, and one waits
// to be tried again; another group meets an outage.
func (f *flow) run() error {
	p, err := kafka.NewProducer(f.b.Addrs(), kafka.ProducerConfig{
		Logger: slog.New(slog.DiscardHandler), TracerProvider: f.tracer, MeterProvider: f.meter, Propagator: propagation.TraceContext{},
	})
	if err != nil {
		return err
	}
	defer p.Close(context.Background())
	for _, key := range []string{"good", "bad", "later"} {
		r, err := kafka.NewJSON("orders", []byte(key), map[string]string{"id": key})
		if err != nil {
			return err
		}
		r.Timestamp = time.UnixMilli(flowTime)
		if err := p.Publish(context.Background(), r); err != nil {
			return err
		}
	}
	err = f.consume("billing", func(_ context.Context, r *kafka.Record) error {
		switch string(r.Key) {
		case "bad":
			return errors.InvalidArgument.New("An order needs a quantity.").WithReason("shop", "NO_QUANTITY")
		case "later":
			return errors.Aborted.New("Not now.")
		}
		return nil
	}, func(*kafka.Consumer) bool {
		return len(f.records(kafka.DeadLetterTopic("orders", "billing"))) == 1 && len(f.records(kafka.RetryTopic("orders", "billing", time.Minute))) == 1
	})
	if err != nil {
		return err
	}
	if err := f.consume("shipping", func(context.Context, *kafka.Record) error { return errors.Unavailable.New("The carrier is down.") },
		func(c *kafka.Consumer) bool { return c.Status().Paused == kafka.PausedByOutage }); err != nil {
		return err
	}
	for _, cfg := range []kafka.RedriveConfig{{}, {Park: true, Again: true, Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.InvalidArgument}, Keys: []string{"bad"}}}} {
		cfg.Logger = slog.New(slog.DiscardHandler)
		if r, err := kafka.Redrive(context.Background(), f.b.Addrs(), "orders", "billing", cfg); err != nil || r.Redriven+r.Parked != 1 {
			return fmt.Errorf("redrive: %+v, %w", r, err)
		}
	}
	return nil
}

// records returns what a topic has, nothing where it is not there yet.
func (f *flow) records(topic string) (records []kafka.Record) {
	defer func() { _ = recover() }()
	return f.b.Records(&f.program, topic)
}

var (
	traceForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)
	timeForm  = regexp.MustCompile(`^\d{13}$`)
)

// steady is a header's value as every run has it.
func steady(key string, value []byte) string {
	text := string(value)
	switch {
	case traceForm.MatchString(text):
		return flowTrace
	case timeForm.MatchString(text) && text != strconv.Itoa(flowTime):
		return strconv.Itoa(flowFailed)
	case strings.HasSuffix(key, "-timestamp") && len(value) == 8:
		return string(binary.BigEndian.AppendUint64(nil, flowTime))
	}
	return text
}

// clusterState is all that the flow has left: records by topic, and the groups of redrives.
func clusterState() ([]byte, error) {
	f := newFlow(map[string]int{"orders": 1})
	defer f.end()
	if err := f.run(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(f.b.ClientOptions()...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(context.Background())
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, topic := range topics.Names() {
		fmt.Fprintln(&b, "topic", topic)
		for _, r := range f.records(topic) {
			fmt.Fprintf(&b, "record %q %q\n", r.Key, r.Value)
			for _, h := range r.Headers {
				fmt.Fprintf(&b, "header %q %q\n", h.Key, steady(h.Key, h.Value))
			}
		}
	}
	groups, err := admin.ListGroups(context.Background())
	if err != nil {
		return nil, err
	}
	for _, group := range groups.Groups() {
		offsets, err := admin.FetchOffsets(context.Background(), group)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(group, "redrive.") {
			for _, o := range offsets.Sorted() {
				fmt.Fprintf(&b, "progress %q %q %d %q\n", group, o.Topic, o.At, o.Metadata)
			}
		}
	}
	return b.Bytes(), nil
}

// readClusterState fills a cluster with what another release has left, and lets this one go on with it.
func readClusterState(data []byte) error {
	records, topics, progress, err := parseState(string(data))
	if err != nil {
		return err
	}
	f := newFlow(topics)
	defer f.end()
	f.b.Produce(&f.program, records...)
	client, err := kgo.NewClient(f.b.ClientOptions()...)
	if err != nil {
		return err
	}
	defer client.Close()
	for group, offset := range progress {
		var offsets kadm.Offsets
		offsets.Add(offset)
		if err := kadm.NewClient(client).CommitAllOffsets(context.Background(), group, offsets); err != nil {
			return err
		}
	}
	for d, err := range kafka.Browse(context.Background(), f.b.Addrs(), "orders", "billing", kafka.BrowseConfig{Logger: slog.New(slog.DiscardHandler)}) {
		if err != nil {
			return err
		}
		fmt.Println("dead letter", d.Record.ID(), d.Failure.Code, d.Failure.Reason, "writer", d.Writer, "attempts", d.Failure.Attempts)
	}
	counts, err := kafka.CountDeadLetters(context.Background(), f.b.Addrs(), kafka.CountConfig{Group: "billing", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	for _, n := range counts {
		fmt.Println("dead letters", n.Total, "pending", n.Pending)
	}
	fmt.Println("parked", len(f.records(kafka.ParkingTopic("orders", "billing"))))
	handled := make(chan string, len(records))
	var lines []string
	err = f.consume("billing", func(_ context.Context, r *kafka.Record) error {
		handled <- fmt.Sprintf("handled %s of %s, attempt %d, redrives %d, stamped %d", r.Key, r.ID(), r.Attempt(), r.Redrives(), r.Timestamp.UnixMilli())
		return nil
	}, func(*kafka.Consumer) bool {
		for len(handled) > 0 {
			lines = append(lines, <-handled)
		}
		return len(lines) >= topics["orders"]*5 // Three records, the one that was put back, the one that waits.
	})
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
	return err
}

func parseState(text string) (records []kafka.Record, topics map[string]int, progress map[string]kadm.Offset, err error) {
	topics, progress = map[string]int{}, map[string]kadm.Offset{}
	topic := ""
	for line := range strings.Lines(text) {
		var key, value, metadata string
		var at int64
		switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "topic":
			topic = rest
			topics[topic] = 1
		case "record":
			_, err = fmt.Sscanf(rest, "%q %q", &key, &value)
			records = append(records, kafka.Record{Topic: topic, Key: []byte(key), Value: []byte(value), Timestamp: time.UnixMilli(flowTime)})
		case "header":
			_, err = fmt.Sscanf(rest, "%q %q", &key, &value)
			last := &records[len(records)-1]
			last.Headers = append(last.Headers, kafka.Header{Key: key, Value: []byte(value)})
		case "progress":
			_, err = fmt.Sscanf(rest, "%q %q %d %q", &key, &value, &at, &metadata)
			progress[key] = kadm.Offset{Topic: value, At: at, LeaderEpoch: -1, Metadata: metadata}
		}
		if err != nil {
			return nil, nil, nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	return records, topics, progress, nil
}

// telemetry is what dashboards and alerts are made of: names, units and keys.
func telemetry() ([]byte, error) {
	f := newFlow(map[string]int{"orders": 1})
	defer f.end()
	if err := f.run(); err != nil {
		return nil, err
	}
	for _, s := range f.spans.Ended() {
		f.add(fmt.Sprintf("span %s %s", s.Name(), s.SpanKind()), s.Attributes())
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(f.sums)) {
		fmt.Fprintln(&b, name)
		for _, key := range f.sums[name] {
			fmt.Fprintln(&b, name, "has", key)
		}
	}
	return b.Bytes(), nil
}

func (f *flow) add(name string, attributes []attribute.KeyValue) {
	keys := f.sums[name]
	for _, a := range attributes {
		keys = append(keys, string(a.Key))
	}
	slices.Sort(keys)
	f.sums[name] = slices.Compact(keys)
}

// measure gathers the metrics: gauges are there while a consumer runs.
func (f *flow) measure() {
	var all metricdata.ResourceMetrics
	if err := f.metrics.Collect(context.Background(), &all); err != nil {
		panic(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			name := fmt.Sprintf("metric %s %T %s", m.Name, m.Data, m.Unit)
			name = strings.NewReplacer("metricdata.", "", "[int64]", "", "[float64]", "").Replace(name)
			for _, set := range attributeSets(m.Data) {
				f.add(name, set.ToSlice())
			}
		}
	}
}

func attributeSets(data metricdata.Aggregation) []attribute.Set {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return setsOf(d.DataPoints)
	case metricdata.Gauge[int64]:
		return setsOf(d.DataPoints)
	case metricdata.Gauge[float64]:
		return setsOf(d.DataPoints)
	case metricdata.Histogram[float64]:
		var sets []attribute.Set
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
		return sets
	}
	panic(fmt.Sprintf("%T", data))
}

func setsOf[N int64 | float64](points []metricdata.DataPoint[N]) []attribute.Set {
	var sets []attribute.Set
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}
