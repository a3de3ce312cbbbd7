package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// consumerRole is the first argument of a process that consumes.
const consumerRole = "consumer"

// sessionTimeout is how long the group waits for a consumer that was killed. With
// the 45 s of the default, most of a run would be spent on that; brokers permit
// no less.
const sessionTimeout = 6 * time.Second

// consumerConfig is what a consumer process is told on its command line.
type consumerConfig struct {
	brokers, topic, group string
	instance              string
	journal               string
	seed                  uint64
	fast                  bool
}

func (c consumerConfig) args() []string {
	args := []string{
		consumerRole, "-brokers", c.brokers, "-topic", c.topic, "-group", c.group,
		"-instance", c.instance, "-journal", c.journal, "-seed", fmt.Sprint(c.seed),
	}
	if c.fast { // Programs of before do not know it.
		args = append(args, "-fast")
	}
	return args
}

// consume is the whole of a consumer process. It stops, and finishes what it
// has in hand, when its standard input ends: also when whoever started it was
// killed.
func consume(ctx context.Context, args []string) error {
	var cfg consumerConfig
	flags := flag.NewFlagSet("chaos consumer", flag.ContinueOnError)
	flags.StringVar(&cfg.brokers, "brokers", "", "")
	flags.StringVar(&cfg.topic, "topic", "", "")
	flags.StringVar(&cfg.group, "group", "", "")
	flags.StringVar(&cfg.instance, "instance", "", "")
	flags.StringVar(&cfg.journal, "journal", "", "")
	flags.Uint64Var(&cfg.seed, "seed", 0, "")
	flags.BoolVar(&cfg.fast, "fast", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	notes, err := openJournal(cfg.journal)
	if err != nil {
		return err
	}
	h := &handler{journal: notes, fast: cfg.fast, random: rand.New(rand.NewPCG(cfg.seed, 2))}
	consumer, err := kafka.NewConsumer(strings.Split(cfg.brokers, ","), cfg.group, []string{cfg.topic}, h.handle, kafka.ConsumerConfig{
		InstanceID:    cfg.instance,
		GroupProtocol: kafka.GroupProtocol(os.Getenv(protocolVariable)), // of this process's parent, too
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Connection:    kafka.Connection{Options: []kgo.Opt{kgo.SessionTimeout(sessionTimeout), kgo.HeartbeatInterval(time.Second)}},
	})
	if err != nil {
		return err
	}
	return consumer.Run(ctx)
}

// handler fails as the record's fate and chance will have it, and notes what it
// has done.
type handler struct {
	journal journal
	fast    bool

	mu     sync.Mutex
	random *rand.Rand
}

func (h *handler) handle(ctx context.Context, r *kafka.Record) error {
	begin := time.Now().UnixNano()
	it, err := parseItem(r.Key, r.Value)
	if err != nil {
		return errors.InvalidArgument.Wrap(err, "")
	}
	work, unlucky := h.chance()
	if work > 0 && !sleep(ctx, work) {
		return ctx.Err()
	}
	switch {
	case it.fate == malformed:
		return errors.InvalidArgument.New("It is malformed.")
	case it.fate == stubborn:
		return errors.Internal.New("It is stubborn.")
	case unlucky && r.Attempt() < 7: // Of 8: that all of them fail by chance is not in question here.
		return errors.Unavailable.New("It is a bad moment.")
	}
	return h.journal.note(handling{
		place: place{r.Partition, r.Offset}, key: it.key, seq: it.seq,
		begin: begin, end: time.Now().UnixNano(),
	})
}

// chance returns how long the work takes, and whether it fails.
func (h *handler) chance() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fast {
		return 0, h.random.IntN(2000) == 0
	}
	return time.Duration(h.random.IntN(4000)) * time.Microsecond, h.random.IntN(10) == 0
}
