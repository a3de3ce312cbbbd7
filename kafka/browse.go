package kafka

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

// BrowseConfig says what [Browse] reads. The zero value reads all of a
// dead-letter topic.
type BrowseConfig struct {
	// From is the topic to read. Empty: [DeadLetterTopic] of the topic and the
	// group. [ParkingTopic] is where to look for what was parked.
	From string
	// Filter selects the dead letters. Zero: all.
	Filter DeadLetterFilter
	// Pending leaves out what a [Redrive] has put back or parked. It asks for the
	// groups of the cluster, in which redrives keep their progress.
	Pending bool
	// Connection says how to reach the brokers.
	Connection Connection
	// Logger is where lost connections are logged. Nil: slog.Default().
	Logger *slog.Logger
}

func (c BrowseConfig) resolve(brokers []string, topic, group string) (BrowseConfig, error) {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	connection, err := c.Connection.resolve(c.Logger)
	c.Connection = connection
	faults := []error{checkBrokers(brokers), err, c.Filter.validate()}
	c.From, faults = fromTopic(c.From, topic, group, faults)
	return c, errors.Join(faults...)
}

// fromTopic is the topic to read dead letters from.
func fromTopic(from, topic, group string, faults []error) (string, []error) {
	if !validTopic(topic) {
		faults = append(faults, fmt.Errorf("topic is %q, want a name that Kafka permits", topic))
	}
	if group == "" {
		faults = append(faults, errors.New("group: no name given"))
	}
	if from == "" {
		return DeadLetterTopic(topic, group), faults
	}
	if !validTopic(from) {
		faults = append(faults, fmt.Errorf("From is %q, want a name that Kafka permits", from))
	}
	return from, faults
}

// Browse returns the dead letters of a consumer group in a topic: those that
// are there when the loop begins, by partition, and in each partition in the
// order in which they were written. It takes part in no group and commits
// nothing, so that it disturbs nobody, and may be run as often as one likes.
//
//	for dead, err := range kafka.Browse(ctx, brokers, "orders", "shipping", kafka.BrowseConfig{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(dead.Record.ID(), dead.Failure.Code, dead.Failure.Message)
//	}
//
// Records without failure headers are among them, with [DeadLetter.Readable]
// false. An error ends the loop. It has the code failed_precondition when there is
// no dead-letter topic, invalid_argument for arguments that cannot be meant, and
// unavailable when no broker answers within 10 seconds. Each loop reads anew and
// with a client of its own.
func Browse(ctx context.Context, brokers []string, topic, group string, cfg BrowseConfig) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		if err := browse(ctx, brokers, topic, group, cfg, yield); err != nil {
			yield(nil, err)
		}
	}
}

func browse(ctx context.Context, brokers []string, topic, group string, cfg BrowseConfig, yield func(*DeadLetter, error) bool) error {
	cfg, err := cfg.resolve(brokers, topic, group)
	if err != nil {
		return errors.InvalidArgument.Wrap(fmt.Errorf("kafka: browse dead letters: %w", err), "")
	}
	if err := browseAll(ctx, newDialer(brokers, cfg.Connection, cfg.Logger), topic, cfg, yield); err != nil {
		return fmt.Errorf("kafka: browse dead letters in %q: %w", cfg.From, err)
	}
	return nil
}

func browseAll(ctx context.Context, d *dialer, topic string, cfg BrowseConfig, yield func(*DeadLetter, error) bool) error {
	client, err := d.open()
	if err != nil {
		return err
	}
	defer client.Close()
	var ranges []offsetRange
	journal := new(redriveJournal) // of nothing
	err = d.lookup(ctx, func(ctx context.Context) (err error) {
		admin := kadm.NewClient(client)
		if ranges, err = listRanges(ctx, admin, cfg.From); err == nil && cfg.Pending {
			journal, err = readJournal(ctx, admin, cfg.From)
		}
		return err
	})
	if err != nil {
		return err
	}
	sources := newSourceReader(client, topic)
	for _, s := range ranges {
		if !cfg.Filter.hasPartition(s.partition) {
			continue
		}
		journal.forgetBeyond(s)
		more, err := readDeadLetters(ctx, client, cfg.From, s, sources, func(d *DeadLetter) bool {
			return !cfg.Filter.matches(d) || journal.isDone(d) || yield(d, nil)
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// readDeadLetters shows what lies in a part of a partition, until show says that
// it has seen enough. Without sources records that are not there stay so.
func readDeadLetters(ctx context.Context, client *kgo.Client, from string, s offsetRange, sources *sourceReader, show func(*DeadLetter) bool) (more bool, err error) {
	const atOnce = 1_000
	in := newPartitionReader(client, from, s)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		records, err := in.peek(ctx, atOnce)
		if err != nil || len(records) == 0 {
			return err == nil, err
		}
		for _, record := range records {
			d := newDeadLetter(record)
			if sources != nil {
				if err := sources.complete(ctx, d); err != nil {
					return false, err
				}
			}
			if !show(d) {
				return false, nil
			}
		}
		in.advance(len(records))
	}
}
