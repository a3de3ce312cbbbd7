package kafka

import (
	"log/slog"
	"time"

	"github.com/backend-platform/sdk/resilience"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unreadableBackoff is how long a partition rests after a fetch that could not be
// read.
var unreadableBackoff = resilience.Backoff{Base: time.Second, Max: 30 * time.Second}

// rest stops fetching a partition for a while: the client fetches again without a
// wait what it cannot read, a batch whose checksum is wrong for instance, or a
// topic that was deleted.
func (c *Consumer) rest(tp topicPartition) {
	s := c.sched
	s.mu.Lock()
	p := s.parts[tp]
	if p == nil || p.resting {
		s.mu.Unlock()
		return
	}
	p.resting = true
	p.unreadable++
	wait := unreadableBackoff.Wait(p.unreadable)
	s.mu.Unlock()
	c.applyFetching()
	time.AfterFunc(wait, func() {
		s.mu.Lock()
		p.resting = false
		s.mu.Unlock()
		c.applyFetching()
	})
}

// proceedLocked notes what is fetched next, and reports whether the partition
// begins after what was to be fetched now: retention was faster.
func (p *partition) proceedLocked(ftp kgo.FetchTopicPartition) (from int64, overtaken bool) {
	from = p.next
	if n := len(ftp.Records); n > 0 {
		p.next = ftp.Records[n-1].Offset + 1
		p.unreadable = 0
	}
	overtaken = from >= 0 && from < ftp.LogStartOffset
	p.next = max(p.next, ftp.LogStartOffset)
	return from, overtaken
}

func (c *Consumer) logLoss(tp topicPartition, from, to int64) {
	c.log.Error("records were deleted before they were handled: by retention, or because the leader that had them is gone",
		slog.String(attrTopic, tp.topic), slog.Int(attrPartition, int(tp.partition)), slog.Int64("from", from), slog.Int64("to", to))
}
