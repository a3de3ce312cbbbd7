package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// javaVariable and classPathVariable name a java and the jars of Kafka's distribution.
const (
	javaVariable      = "KAFKA_JAVA"
	classPathVariable = "KAFKA_CLASSPATH"
)

// withTools is promise for tests that use the tools of Kafka's distribution: they need a
// real Kafka and its jars, as make test-kafka has them.
func withTools(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	if os.Getenv(brokersVariable) == "" || os.Getenv(classPathVariable) == "" {
		t.Skipf("%s and %s do not name a real Kafka and its jars: make test-kafka does", brokersVariable, classPathVariable)
	}
	promise(t, test)
}

// tool runs a tool of Kafka's distribution and returns the lines that it prints.
func (c *cluster) tool(input, class string, args ...string) []string {
	c.t.Helper()
	args = append([]string{"-XX:TieredStopAtLevel=1", "-cp", os.Getenv(classPathVariable), class, "--bootstrap-server", strings.Join(c.addrs, ",")}, args...)
	return c.program(input, os.Getenv(javaVariable), args...)
}

func (c *cluster) program(input, name string, args ...string) []string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*c.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, said.String())
	}
	if out.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// Records and dead letters are what other clients read as well: key, value, headers, and the
// difference between none and empty.
func TestPromiseOtherClientsReadRecordsAndDeadLetters(t *testing.T) {
	withTools(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.publishForOthers(topic)
		cfg := c.config()
		cfg.FloodRatio = -1
		c.run(topic, func(context.Context, *kafka.Record) error {
			return errors.FailedPrecondition.New("Only 3 left, sorry.").WithReason("shop", "OUT_OF_STOCK")
		}, cfg)
		dead := c.waitDeadLetters(topic, 4)

		records := []string{"content-type=application/json|customer-7|{\"qty\":2}", "tag=a,tag=b,none=null|null|grüezi", "|k|null", "||"}
		var letters []string
		for _, d := range dead { // Those of different keys have no order.
			headers, rest, _ := strings.Cut(records[d.Failure.Source.Offset], "|")
			letters = append(letters, strings.TrimPrefix(headers+","+failureText(d), ",")+"|"+rest)
		}
		for _, reader := range []struct {
			name string
			read func(c *cluster, topic string, n int) []string
		}{{"Java's console consumer", readWithJava}, {"kcat", readWithKcat}} {
			t.Run(reader.name, func(t *testing.T) {
				part := *c
				part.t = t
				if diff := cmp.Diff(records, reader.read(&part, topic, len(records))); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(letters, reader.read(&part, part.dlq(topic), len(letters))); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func (c *cluster) publishForOthers(topic string) {
	c.t.Helper()
	p, err := kafka.NewProducer(c.addrs, kafka.ProducerConfig{Logger: c.config().Logger})
	if err != nil {
		c.t.Fatal(err)
	}
	defer p.Close(context.Background())
	order, err := kafka.NewJSON(topic, []byte("customer-7"), map[string]int{"qty": 2})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range []*kafka.Record{
		order,
		{Topic: topic, Value: []byte("grüezi"), Headers: []kafka.Header{{Key: "tag", Value: []byte("a")}, {Key: "tag", Value: []byte("b")}, {Key: "none"}}},
		{Topic: topic, Key: []byte("k")},
		{Topic: topic, Key: []byte{}, Value: []byte{}},
	} {
		if err := p.Publish(c.t.Context(), r); err != nil {
			c.t.Fatal(err)
		}
	}
}

// failureText are the headers of a dead letter that failed at its first attempt, as they
// have to lie there.
func failureText(d kafka.DeadLetter) string {
	f := d.Failure
	return strings.Join([]string{
		"__dlq.errors.topic=" + f.Source.Topic, "__dlq.errors.partition=0", fmt.Sprint("__dlq.errors.offset=", f.Source.Offset),
		"__dlq.errors.group=" + f.Group, "__dlq.errors.delivery.count=1", "__dlq.errors.message=" + f.Message,
		"__sdk.origin=" + f.Origin.String(), "__sdk.error.code=failed_precondition", "__sdk.error.reason=OUT_OF_STOCK",
		"__sdk.attempts=1", fmt.Sprint("__sdk.record.timestamp=", f.Timestamp.UnixMilli()), fmt.Sprint("__sdk.first.failure=", f.FirstFailure.UnixMilli()),
	}, ",")
}

// readWithJava returns the n records of partition 0, each as headers|key|value.
func readWithJava(c *cluster, topic string, n int) []string {
	c.t.Helper()
	lines := c.tool("", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic, "--from-beginning",
		"--max-messages", strconv.Itoa(n), "--timeout-ms", strconv.FormatInt(c.limit.Milliseconds(), 10), "--formatter-property", "print.headers=true",
		"--formatter-property", "print.key=true", "--formatter-property", "key.separator=|", "--formatter-property", "null.literal=null")
	for i, line := range lines { // Its headers are name:value, or NO_HEADERS.
		headers, rest, _ := strings.Cut(line, "|")
		if headers == "NO_HEADERS" {
			headers = ""
		}
		pairs := strings.Split(headers, ",")
		for j := range pairs {
			pairs[j] = strings.Replace(pairs[j], ":", "=", 1)
		}
		lines[i] = strings.Join(pairs, ",") + "|" + rest
	}
	return lines
}

// readWithKcat is readWithJava with kcat, which tells none from empty by the length.
func readWithKcat(c *cluster, topic string, n int) []string {
	c.t.Helper()
	if _, err := exec.LookPath("kcat"); err != nil {
		c.t.Skip("kcat is not installed: apt-get install kcat")
	}
	lines := c.program("", "kcat", "-q", "-C", "-b", strings.Join(c.addrs, ","), "-t", topic, "-o", "beginning", "-e", "-f", "%h|%K|%k|%S|%s\n")
	for i, line := range lines {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			c.t.Fatalf("kcat printed %q", line)
		}
		text := func(length, value string) string {
			if length == "-1" {
				return "null"
			}
			return value
		}
		lines[i] = strings.ReplaceAll(cells[0], "=NULL", "=null") + "|" + text(cells[1], cells[2]) + "|" + text(cells[3], cells[4])
	}
	return lines
}

// A key goes into the partition into which Java's producer puts it.
func TestPromiseKeysArePartitionedAsJavaDoes(t *testing.T) {
	withTools(t, func(t *testing.T, c *cluster) {
		const n, partitions = 300, 7
		ours, javas := c.topic("ours", partitions), c.topic("javas", partitions)
		p, err := kafka.NewProducer(c.addrs, kafka.ProducerConfig{Logger: c.config().Logger})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		var lines strings.Builder
		var records []*kafka.Record
		for i := range n {
			key := strings.Repeat("é", i%5) + strconv.Itoa(i)
			fmt.Fprintf(&lines, "%s|%d\n", key, i)
			records = append(records, &kafka.Record{Topic: ours, Key: []byte(key), Value: []byte(strconv.Itoa(i))})
		}
		if err := p.Publish(t.Context(), records...); err != nil {
			t.Fatal(err)
		}
		c.tool(lines.String(), "org.apache.kafka.tools.ConsoleProducer", "--topic", javas,
			"--reader-property", "parse.key=true", "--reader-property", "key.separator=|")
		places := func(topic string) []string {
			var all []string
			for _, r := range c.allRecords(topic, partitions) {
				all = append(all, fmt.Sprintf("%s in %d", r.Key, r.Partition))
			}
			slices.Sort(all)
			return all
		}
		got, want := places(ours), places(javas)
		if diff := cmp.Diff(want, got); diff != "" || len(got) != n {
			t.Errorf("%d keys (-Java's +ours):\n%s", len(got), diff)
		}
	})
}
