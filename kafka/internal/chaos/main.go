// Command chaos proves the promises of module kafka on a real Apache Kafka while
// its processes are killed.
//
//	chaos -cluster 'bin/kafka up -nodes 3' -seed 7
//
// It writes 200,000 records over 1,000 keys into 8 partitions, and has them
// handled by three consumer processes, whose handlers fail at random: one attempt
// in ten with an error that passes, one record in a thousand for good. (With -fast
// they take no time, and one attempt in 2,000 fails.) Meanwhile
// consumers are killed with SIGKILL and started again every few seconds, some at
// once and some after the group has given up waiting for them; now and then one
// is stopped in order. Brokers are killed one after the other, and then all three
// at the same time. At last the consumers are stopped and started one after the
// other, as by a deployment; with -from they were of another version until then,
// a build of this program from an older commit. Then it compares what was written with what was
// handled and with the dead letters:
//
//   - every record was handled or is a dead letter, and the dead letters are
//     exactly the records that could not be handled;
//   - the first successful handlings of each key are in the order of its records,
//     and none began before the one before it had ended;
//   - what was handled again after a kill is within the bound that package kafka
//     promises, 10,000 records a partition;
//   - what the producer was told is written, is there, once and in order;
//   - the committed offsets are the end of the partitions.
//
// The seed decides about records, failures and whom to kill when; what the
// machine does between is different each time. The exit code is 1 when something
// does not hold, and then the logs are kept.
//
// With KAFKA_BROKERS set it uses that cluster, kills consumers alone and says so.
// The command behind -cluster prints KAFKA_BROKERS=host:port,… and then carries
// out lines such as "kill 2" and "start all", answered by "ok" or "error".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// config is what the command line says.
type config struct {
	seed    uint64
	records int
	cluster string   // a command
	brokers []string // of a cluster that is there already
	short   bool
	fast    bool
	from    string // program of the consumers until the deployment; empty: this one
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == consumerRole {
		return consume(ctx, args[1:])
	}
	var cfg config
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Uint64Var(&cfg.seed, "seed", uint64(time.Now().Unix()), "decides about records, failures and kills; the default is the `time`")
	flags.IntVar(&cfg.records, "records", 0, "`number` of records (default 200,000; 20,000 with -short)")
	flags.BoolVar(&cfg.short, "short", false, "kill one broker and all, not each and all, in less time")
	flags.BoolVar(&cfg.fast, "fast", false, "handlers that take no time and seldom fail, for which the consumer does not deal records by key")
	flags.StringVar(&cfg.cluster, "cluster", "", "`command` that runs a cluster, unless KAFKA_BROKERS names one")
	flags.StringVar(&cfg.from, "from", "", "`program` of the consumers until the deployment, of another version; the default is this one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if brokers := os.Getenv(brokersVariable); brokers != "" {
		cfg.brokers = strings.Split(brokers, ",")
	}
	if cfg.records == 0 {
		cfg.records = 200_000
		if cfg.short {
			cfg.records = 20_000
		}
	}
	if len(cfg.brokers) == 0 && cfg.cluster == "" {
		return fmt.Errorf("no cluster: give the command of one with -cluster, or set %s", brokersVariable)
	}
	return wreak(ctx, cfg)
}

// brokersVariable names a running cluster to everything in this repository that
// can use one.
const brokersVariable = "KAFKA_BROKERS"

// protocolVariable chooses the group's protocol; empty: the default.
const protocolVariable = "KAFKA_GROUP_PROTOCOL"

// sleep waits, and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
