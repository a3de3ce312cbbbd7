package kafka

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

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
	// redriveDrain is how long a run whose context ended waits for the
	// acknowledgements of its last batch. Long enough for a leader's election.
	redriveDrain = 10 * time.Second
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
// returns [ErrPark] for it, or makes it smaller, is the way past. One run at a time: two that run together
// put the same dead letters back.
//
// A record that was put back [RedriveConfig.MaxRedrives] times is parked: moved
// to [ParkingTopic], which is created when it is first needed, without a limit
// on retention.
//
// The result counts what was done also when there is an error. The error has the
// code failed_precondition when the topic or its dead-letter topic does not
// exist, invalid_argument for arguments that cannot be meant, and unavailable
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

// redrive is one run.
type redrive struct {
	cfg          RedriveConfig
	topic, group string
	dialer       *dialer
	client       *kgo.Client
	admin        *kadm.Client
	sources      *sourceReader

	ranges  []offsetRange
	source  *redriveTarget
	parking *redriveTarget // Nil until the first dead letter is parked.
	journal *redriveJournal
	pace    redrivePacer
	result  RedriveResult
}

// redriveMove is a dead letter on its way.
type redriveMove struct {
	to     *redriveTarget
	record *kgo.Record
	offset int64 // Of the dead letter.
	parked bool
}

func (r *redrive) run(ctx context.Context) error {
	for _, s := range r.ranges {
		if !r.cfg.Filter.hasPartition(s.partition) {
			continue
		}
		if full, err := r.runPartition(ctx, s); full || err != nil {
			return err
		}
	}
	return nil
}

// runPartition says full when the run's limit was reached.
func (r *redrive) runPartition(ctx context.Context, s offsetRange) (full bool, err error) {
	s.start = r.journal.start(s)
	in := newPartitionReader(r.client, r.cfg.From, s)
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		records, err := in.peek(ctx, r.cfg.Batch)
		if err != nil {
			return false, err
		}
		if len(records) == 0 {
			return false, r.commit(ctx, s.partition, in.next)
		}
		moves, used, planErr := r.plan(ctx, records)
		in.advance(used)
		position, err := r.write(ctx, moves, in.next)
		if len(moves) > 0 || planErr != nil || r.isFull() {
			err = errors.Join(err, r.commit(ctx, s.partition, position))
		}
		if r.cfg.OnProgress != nil {
			r.cfg.OnProgress(r.result)
		}
		if err = errors.Join(err, planErr); err != nil || r.isFull() {
			return true, err
		}
	}
}

func (r *redrive) isFull() bool {
	return r.cfg.Limit > 0 && r.result.Redriven+r.result.Parked >= r.cfg.Limit
}

// plan decides about records, as many as fit in one batch, and says how many
// it used.
func (r *redrive) plan(ctx context.Context, records []*kgo.Record) (moves []redriveMove, used int, err error) {
	most := r.pace.atMost(r.cfg.Batch)
	if r.cfg.Limit > 0 {
		most = min(most, r.cfg.Limit-r.result.Redriven-r.result.Parked)
	}
	for i, record := range records {
		if len(moves) == most {
			return moves, i, nil
		}
		d := newDeadLetter(record)
		if !d.isOf(r.topic, r.group) { // Nobody asked for what a forged header says.
			r.result.Unreadable++
			continue
		}
		if err := r.sources.complete(ctx, d); err != nil { // A filter may ask for the key.
			return moves, i, err
		}
		switch {
		case !r.cfg.Filter.matches(d):
			r.result.Skipped++
		case r.journal.isDone(d):
			r.result.Done++
		case d.Lost:
			r.result.Unreadable++
		default:
			m, err := r.move(ctx, d, record)
			if err != nil {
				return moves, i, fmt.Errorf("dead letter %d of partition %d: %w", d.Offset, d.Partition, err)
			}
			moves = append(moves, m)
		}
	}
	return moves, len(records), nil
}

// move makes the record that is written in place of the dead letter.
func (r *redrive) move(ctx context.Context, d *DeadLetter, original *kgo.Record) (redriveMove, error) {
	park := r.cfg.Park || d.Failure.Redrives >= r.cfg.MaxRedrives
	if !park && r.cfg.Repair != nil {
		d.Record = cloneRecord(d.Record) // What is parked stays as it was.
		err := r.cfg.Repair(ctx, d)
		if err != nil && !errors.Is(err, ErrPark) {
			return redriveMove{}, fmt.Errorf("repair: %w", err)
		}
		park = err != nil
	}
	if park {
		to, err := r.parkingTarget(ctx)
		if err != nil {
			return redriveMove{}, err
		}
		return redriveMove{to, to.record(original.Partition, original.Key, original.Value, original.Headers), d.Offset, true}, nil
	}
	from := d.Failure.Source
	if from.Topic != r.topic {
		from = d.Failure.Origin
	}
	record := r.source.record(from.Partition, d.Record.Key, d.Record.Value, redriveHeaders(d))
	return redriveMove{r.source, record, d.Offset, false}, nil
}

func cloneRecord(r Record) Record {
	r.Key, r.Value, r.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	for i := range r.Headers {
		r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
	}
	return r
}

// redriveHeaders are the record's own, and what has to survive the next
// failure.
func redriveHeaders(d *DeadLetter) []kgo.RecordHeader {
	f := Failure{
		Origin: d.Failure.Origin, Attempts: d.Failure.Attempts, Redrives: d.Failure.Redrives + 1,
		Timestamp: d.Failure.Timestamp, FirstFailure: d.Failure.FirstFailure,
	}
	return clientHeaders(f.appendCarried(d.Record.Headers))
}

// write writes the moves and returns the offset up to which the dead letters
// are done, next if all are.
func (r *redrive) write(ctx context.Context, moves []redriveMove, next int64) (position int64, err error) {
	if len(moves) == 0 {
		return next, nil
	}
	if err := r.pace.wait(ctx, len(moves)); err != nil {
		return moves[0].offset, err
	}
	acked := make([]bool, len(moves))
	if r.cfg.DryRun {
		for i := range acked {
			acked[i] = true
		}
	} else {
		acked, err = produceAll(ctx, moves)
	}
	position = next
	for i, ok := range acked {
		switch {
		case !ok:
			position = min(position, moves[i].offset)
		case moves[i].parked:
			r.result.Parked++
		default:
			r.result.Redriven++
		}
	}
	return position, err
}

func (r *redrive) commit(ctx context.Context, partition int32, position int64) error {
	if r.cfg.DryRun {
		return nil
	}
	ctx, cancel := redriveDrainContext(ctx)
	defer cancel()
	return r.journal.commit(ctx, r.admin, partition, position)
}

// redriveDrainContext outlives ctx by the time that is left for what is under way.
func redriveDrainContext(ctx context.Context) (context.Context, context.CancelFunc) {
	drain, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleepContext(drain, redriveDrain) // Ends early when the work is done.
		cancel(context.Cause(ctx))
	})
	return drain, func() { stop(); cancel(context.Canceled) }
}

// redrivePacer spreads the work over time without a goroutine: it knows when the next
// batch is due.
type redrivePacer struct {
	rate int // Per second; zero or negative: no limit.
	due  time.Time
}

// atMost cuts a batch so that the rate holds within a tenth of a second.
func (p *redrivePacer) atMost(n int) int {
	if p.rate <= 0 {
		return n
	}
	return min(n, max(1, p.rate/10))
}

func (p *redrivePacer) wait(ctx context.Context, n int) error {
	if p.rate <= 0 {
		return nil
	}
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	wait := p.due.Sub(now)
	p.due = p.due.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
	return sleepContext(ctx, wait)
}
