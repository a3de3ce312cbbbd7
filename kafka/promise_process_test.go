package kafka_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/backend-platform/sdk/kafka"
)

// memberVariable makes this binary a member of a group: brokers, group and topic,
// separated by spaces.
const memberVariable = "PROMISE_MEMBER"

// runMember consumes until it is told to stop.
func runMember() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	args := strings.Fields(os.Getenv(memberVariable))
	c, err := kafka.NewConsumer(strings.Split(args[0], ","), args[1], []string{args[2]}, nothing, kafka.ConsumerConfig{Logger: discard})
	if err == nil {
		err = c.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
