package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

// A header is one of a record, as a fixture has it: the values that the module writes are text.
type header struct{ Key, Value string }

func failureHeaders() ([]byte, error) {
	failure := kafka.Failure{
		Origin: kafka.ID{Topic: "orders", Partition: 3, Offset: 1041}, Source: kafka.ID{Topic: "orders", Partition: 5, Offset: 2002},
		Group: "billing", Code: errors.Unavailable, Reason: "BANK_CLOSED", Message: "the bank is closed", Stack: "main.pay",
		Deliveries: 4, Attempts: 9, Redrives: 2, Timestamp: time.UnixMilli(1_700_000_000_000), FirstFailure: time.UnixMilli(1_700_000_060_000),
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	var headers []header
	for _, h := range failure.AppendHeaders([]kafka.Header{{Key: "content-type", Value: []byte("application/json")}}) {
		headers = append(headers, header{h.Key, string(h.Value)})
	}
	data, err := json.MarshalIndent(headers, "", "\t")
	return append(data, '\n'), err
}

func deadLetterTopics() ([]byte, error) {
	var b bytes.Buffer
	for _, of := range [][2]string{{"orders", "billing"}, {"orders", "billing service"}, {"orders", strings.Repeat("g", 300)}} {
		fmt.Fprintln(&b, kafka.DeadLetterTopic(of[0], of[1]))
	}
	return b.Bytes(), nil
}

// topics are the names of what else belongs to a topic and a group.
func topics() ([]byte, error) {
	var b bytes.Buffer
	for _, of := range [][2]string{{"orders", "billing"}, {"orders", "billing service"}, {strings.Repeat("t", 200), strings.Repeat("g", 300)}} {
		fmt.Fprintln(&b, kafka.ParkingTopic(of[0], of[1]))
		for _, delay := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, 90 * time.Second} {
			fmt.Fprintln(&b, kafka.RetryTopic(of[0], of[1], delay))
		}
	}
	return b.Bytes(), nil
}

func readKafka(name string, data []byte) error {
	switch name {
	case "topics":
		for topic := range strings.Lines(string(data)) {
			topic = strings.TrimSpace(topic)
			fmt.Println(topic, "is of dead letters:", kafka.IsDeadLetterTopic(topic), "of retries:", kafka.IsRetryTopic(topic))
		}
		return nil
	case "cluster":
		return readClusterState(data)
	case "telemetry": // A dashboard looks for each of them.
		_, err := os.Stdout.Write(data)
		return err
	}
	if name == "dead-letter-topics" {
		for topic := range strings.Lines(string(data)) {
			topic = strings.TrimSpace(topic)
			fmt.Println(topic, "is of dead letters:", kafka.IsDeadLetterTopic(topic))
		}
		return nil
	}
	var fixture []header
	if err := json.Unmarshal(data, &fixture); err != nil {
		return err
	}
	var headers []kafka.Header
	for _, h := range fixture {
		headers = append(headers, kafka.Header{Key: h.Key, Value: []byte(h.Value)})
	}
	f, ok := kafka.DecodeFailure(headers)
	fmt.Println("failure", ok)
	fmt.Println("origin", f.Origin, "source", f.Source)
	fmt.Println("group", f.Group)
	fmt.Println("code", f.Code, "reason", f.Reason)
	fmt.Println("message", f.Message, "stack", f.Stack)
	fmt.Println("deliveries", f.Deliveries, "attempts", f.Attempts, "redrives", f.Redrives)
	fmt.Println("timestamp", f.Timestamp.UnixMilli(), "first failure", f.FirstFailure.UnixMilli())
	fmt.Println("trace", f.TraceParent)
	return nil
}
