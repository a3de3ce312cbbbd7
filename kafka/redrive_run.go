package kafka

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/backend-platform/sdk/errors"
)

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
	ranges := slices.DeleteFunc(slices.Clone(r.ranges), func(s offsetRange) bool { return !r.cfg.Filter.hasPartition(s.partition) })
	if !r.cfg.DryRun && len(ranges) > 0 {
		if err := r.journal.begin(ctx, ranges[0]); err != nil {
			return err
		}
	}
	for _, s := range ranges {
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
	return r.journal.commit(ctx, partition, position)
}

// redriveDrain is how long a run whose context ended waits for the
// acknowledgements of its last batch. Long enough for a leader's election.
const redriveDrain = 10 * time.Second

// redriveDrainContext outlives ctx by the time that is left for what is under way.
func redriveDrainContext(ctx context.Context) (context.Context, context.CancelFunc) {
	drain, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleepContext(drain, redriveDrain) // Ends early when the work is done.
		cancel(context.Cause(ctx))
	})
	return drain, func() { stop(); cancel(context.Canceled) }
}
