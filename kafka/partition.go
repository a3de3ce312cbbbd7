package kafka

import "github.com/twmb/franz-go/pkg/kgo"

type topicPartition struct {
	topic     string
	partition int32
}

// partition is one assignment of a partition. Another assignment of the same
// partition is another value.
type partition struct {
	topicPartition
	tracker tracker
	lane    lane
	salt    uint64 // of its slots' places in the table

	busy    int           // records, and a run, in the hands of workers, or being written to the dead letters
	idle    chan struct{} // closed when busy is 0; nil before the revoke
	revoked bool          // nothing is handed out any more
	fenced  bool          // nothing counts any more

	dealt        int // records in flight that are dealt by key, those that the log has lost included
	blocked      int
	blockedBytes int64
	gated        bool
	refused      bool // the broker refuses its offsets, and too many are not committed
	stuck        bool // too many complete records wait for an incomplete one
	crowded      bool // too many records wait behind blocked ones
	behind       int  // records in flight behind another of their key
	behindBytes  int64
	yields       bool // those are too many: what was fetched waits in the intake
	hoards       bool // and that is too much there
	burying      int  // records whose dead letter cannot be written
	resting      bool // what was fetched last cannot be read
	unreadable   int  // how often in a row

	retry    *retryTopic // what this is a partition of; nil: no retry topic
	later    *retryTopic // where records go that have spent their attempts here; nil: to the dead letters
	attempts int         // those attempts, in a partition that has a retry topic or is one's

	gather gathering

	// cut says that records were not kept that are to be read again from cutAt on.
	cut   bool
	cutAt kgo.EpochOffset

	next          int64 // the offset to be fetched next, as far as it is known; -1
	highWatermark int64
	describe      *description
}

// fetchPaused reports whether no more records of the partition are to be fetched
// for now.
func (p *partition) fetchPaused() bool { return p.stopped() || p.resting || p.hoards }

// waits reports whether what was fetched of the partition is not to be taken into
// flight for now.
func (p *partition) waits() bool { return p.stopped() || p.yields }

func (p *partition) stopped() bool { return p.stuck || p.refused || p.crowded || p.burying > 0 }

// source is the topic that its records were read from first.
func (p *partition) source() string {
	if p.retry != nil {
		return p.retry.source
	}
	return p.topic
}

// idlePartition notes that a record is in nobody's hands any more.
func (s *scheduler) idlePartition(p *partition) {
	p.busy--
	if p.busy == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}
