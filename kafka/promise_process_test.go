package kafka_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// memberVariable makes this binary a member of a group: brokers, group and topic,
// separated by spaces.
const memberVariable = "PROMISE_MEMBER"

// runMember consumes until it is told to stop. A record with the value "slow" takes
// a second, or as long as the process is stopped.
func runMember() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	args := strings.Fields(os.Getenv(memberVariable))
	cfg := kafka.ConsumerConfig{Logger: discard, GroupProtocol: kafka.GroupProtocol(os.Getenv(protocolVariable))}
	cfg.Connection.Options = []kgo.Opt{kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond)}
	c, err := kafka.NewConsumer(strings.Split(args[0], ","), args[1], []string{args[2]}, func(_ context.Context, r *kafka.Record) error {
		if string(r.Value) == "slow" {
			fmt.Println("begun")
			time.Sleep(time.Second)
		}
		return nil
	}, cfg)
	if err == nil {
		err = c.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
