package kafka

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/backend-platform/sdk/errors"
)

// ErrPark is what [RedriveConfig.Repair] returns for a dead letter that belongs
// into the parking topic instead of back into its source.
var ErrPark = errors.New("kafka: park this dead letter")

// RedriveConfig says what [Redrive] puts back. The zero value puts back all
// dead letters that no run has put back yet.
type RedriveConfig struct {
	// From is the topic to take dead letters from. Empty: [DeadLetterTopic] of
	// the topic and the group. [ParkingTopic] puts back what was parked.
	From string
	// Filter selects the dead letters. Zero: all.
	Filter DeadLetterFilter
	// Repair, if set, may change what goes back: Key, Value and Headers of the
	// dead letter's Record. The partition stays the original one. An error that
	// is [ErrPark] parks the dead letter as it is; any other error ends the run
	// before this dead letter. Repair runs in a dry run too.
	Repair func(ctx context.Context, d *DeadLetter) error
	// Park moves everything selected to the parking topic, and puts nothing
	// back.
	Park bool
	// MaxRedrives is how often a record is put back; one that fails once more
	// is parked. Zero: 5, but no limit when From is the parking topic.
	// Negative: no limit.
	MaxRedrives int
	// Limit ends the run after so many dead letters were put back or parked.
	// Zero or negative: no limit.
	Limit int
	// Rate is how many dead letters are put back or parked per second. Zero or
	// negative: as many as the brokers take.
	Rate int
	// Batch is how many dead letters are written before their acknowledgements
	// are awaited and the progress is committed: the bound on what is put back
	// twice when the process is killed. Zero: 1,000. At most 10,000.
	Batch int
	// Again forgets what earlier runs did: everything selected is put back, also
	// for a second time. A run with the same filter and without Again goes on
	// where one with it was interrupted.
	Again bool
	// DryRun counts, and writes and commits nothing.
	DryRun bool
	// OnProgress, if set, is called with the counts so far after every batch.
	OnProgress func(RedriveResult)
	// Connection says how to reach the brokers.
	Connection Connection
	// Logger is where lost connections are logged. Nil: slog.Default().
	Logger *slog.Logger
}

const (
	defaultMaxRedrives = 5
	defaultBatch       = 1_000
	maxBatch           = 10_000
)

func (c RedriveConfig) resolve(brokers []string, topic, group string) (RedriveConfig, error) {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	connection, err := c.Connection.resolve(c.Logger)
	c.Connection = connection
	faults := []error{checkBrokers(brokers), err, c.Filter.validate()}
	c.From, faults = fromTopic(c.From, topic, group, faults)
	parking := ParkingTopic(topic, group)
	if c.Park && c.From == parking {
		faults = append(faults, fmt.Errorf("Park is set and From is %q, the parking topic itself", c.From))
	}
	if c.From == topic {
		faults = append(faults, fmt.Errorf("From is %q, the topic to put dead letters back into", c.From))
	}
	switch {
	case c.MaxRedrives < 0 || c.MaxRedrives == 0 && c.From == parking:
		c.MaxRedrives = maxRedrives + 1 // More than is ever counted.
	case c.MaxRedrives == 0:
		c.MaxRedrives = defaultMaxRedrives
	case c.From == parking:
		faults = append(faults, fmt.Errorf("MaxRedrives is %d and From is %q, the parking topic itself", c.MaxRedrives, c.From))
	}
	if c.Batch == 0 {
		c.Batch = defaultBatch
	}
	if c.Batch < 0 || c.Batch > maxBatch {
		faults = append(faults, fmt.Errorf("Batch is %d, want 1 to %d", c.Batch, maxBatch))
	}
	return c, errors.Join(faults...)
}

// RedriveResult counts what a run did, or would have done in a dry run.
type RedriveResult struct {
	// Redriven were put back into their topic.
	Redriven int
	// Parked were moved to the parking topic.
	Parked int
	// Skipped were not selected by the filter.
	Skipped int
	// Done were put back or parked by earlier runs.
	Done int
	// Unreadable have no failure headers, are of another topic or group, or are
	// lost ([DeadLetter.Lost]), and were left alone.
	Unreadable int
}

// Redrive puts the dead letters of a consumer group back into their topic: key,
// value and headers as they were, into the partition they came from (modulo
// where the count of partitions has changed), with the same [Record.ID], one
// more in [Record.Redrives], and stamped with the time of now, because retention
// would delete at once what still had its old timestamp. It takes those that are
// there when it begins, partition after partition, in their order, and returns
// when it is through: what fails again meanwhile waits for the next run.
//
// The dead letters stay where they are, until retention deletes them. What was
// put back is remembered as offsets of a consumer group of its own, "redrive."
// and the name of the dead-letter topic, with "#" and a hash for runs that have
// a filter or another From. A later run leaves it alone, also when it has another filter; see
// [RedriveConfig.Again]. Brokers forget a group's offsets a while after its last
// commit (offsets.retention.minutes, 7 days), and then everything that is still
// there is put back again: a filter with Since, and [Deduplicate] in the
// handler, are what to do about it.
//
// Nothing is lost when a run is interrupted: progress is committed only after
// the brokers have acknowledged the writes, with all in-sync replicas. When ctx
// ends, the batch that is under way is acknowledged and committed first, within
// 10 seconds, and the error is ctx's. A process that was killed puts at most
// one [RedriveConfig.Batch] back twice. So does a run that ended because a dead
// letter could not be written, one that is too large for its topic for instance:
// what comes after it in its batch was put back, and will be again. A Repair that
// returns [ErrPark] for it, or makes it smaller, is the way past.
//
// One run at a time: one that notices another on the same dead letters ends with the
// code aborted, within a batch or a second of its progress, and what both had under way
// is there twice. The right to read all groups "redrive." is asked for before the first
// dead letter is put back: without it, what earlier runs did would be done again.
//
// A record that was put back [RedriveConfig.MaxRedrives] times is parked: moved
// to [ParkingTopic], which is created when it is first needed, without a limit
// on retention.
//
// The result counts what was done also when there is an error. The error has the
// code failed_precondition when the topic or its dead-letter topic does not
// exist, invalid_argument for arguments that cannot be meant, permission_denied for a
// right that is missing, aborted when another run is under way, and unavailable
// when no broker answers within 10 seconds at the start. After that, reading gives
// up on a partition whose leader is away for about 12 seconds, and writing waits
// as long as ctx permits.
func Redrive(ctx context.Context, brokers []string, topic, group string, cfg RedriveConfig) (RedriveResult, error) {
	cfg, err := cfg.resolve(brokers, topic, group)
	if err != nil {
		return RedriveResult{}, errors.InvalidArgument.Wrap(fmt.Errorf("kafka: redrive: %w", err), "")
	}
	r := &redrive{
		cfg: cfg, topic: topic, group: group, pace: redrivePacer{rate: cfg.Rate},
		dialer: newDialer(brokers, cfg.Connection, cfg.Logger),
	}
	defer r.close()
	err = r.prepare(ctx)
	if err == nil {
		err = r.run(ctx)
	}
	if err != nil {
		err = fmt.Errorf("kafka: redrive dead letters of topic %q and group %q from %q: %w", topic, group, cfg.From, err)
	}
	return r.result, err
}
