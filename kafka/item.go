package kafka

import (
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
)

// item is a record in flight. What only a record in trouble needs is apart: most
// records never fail, and each of them pays for every byte.
type item struct {
	delivery delivery // of the first attempt; its record is the handler's
	source   *kgo.Record
	part     *partition
	slot     *slot
	next     *item
	seq      int64
	size     int64
	hash     uint64 // of its key
	attempts int    // that count, since what was given back
	*trouble        // nil before the first failure
	tries    int32  // attempts in all, of this stay
	inHands  bool   // a worker handles it
	burial   bool   // its dead letter is being written
}

// record is the record as it was written, whatever a handler made of its own.
func (it *item) record() Record {
	if it.source == nil {
		return it.delivery.Record
	}
	return it.part.recordOf(it.source)
}

// place is where the record lies in its partition.
func (it *item) place() (offset int64, epoch int32) {
	if it.source == nil {
		return it.delivery.Offset, it.delivery.LeaderEpoch
	}
	return it.source.Offset, it.source.LeaderEpoch
}

// trouble is the state of a record that failed.
type trouble struct {
	failure      failure
	due          time.Time
	firstFailure time.Time
	lastTried    time.Time
	since        time.Time   // of the failures that count; zero after an outage
	handledThen  uint64      // scheduler.handled at that time
	refuted      int         // outages that another record's success ended
	held         bool        // by a pause
	to           *retryTopic // what it is being written to; nil: the dead letters
	unburied     bool        // its dead letter could not be written so far
	burials      int         // attempts at writing the dead letter that failed
	heapIndex    int
}

// failure is what a failed attempt said.
type failure struct {
	err        error
	code       errors.Code
	redelivery errors.Redelivery
	circuit    bool // a circuit breaker refused the call
	retryAfter time.Duration
	ours       bool // we ended the handler's context to give the partition up
	debug      bool // a debug line about it would be seen
	trace      string
}

// verdict is what becomes of a record after an attempt, for those who log,
// count and act outside the lock.
type verdict struct {
	action  action
	wait    time.Duration
	paused  *pause // the consumer paused because of it
	resumed *pause // the consumer goes on because of it
	fetch   bool   // which partitions are fetched has changed
	intake  bool   // records in the intake may go on that had to wait
	line    *line  // about the attempt that failed, where it is to be logged
}

type action uint8

const (
	actDone action = iota
	actRetry
	actHold
	actBury
	actForget
)
