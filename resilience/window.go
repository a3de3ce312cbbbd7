package resilience

import "time"

// windowBuckets is how finely a window rolls: what is counted leaves it in steps of a tenth.
const windowBuckets = 10

// A rollingWindow counts two kinds of events over the last while. It needs a lock around it.
type rollingWindow struct {
	epoch   time.Time
	bucket  time.Duration
	tick    int64 // the bucket that is current, counted from epoch
	buckets [windowBuckets][2]int64
	sum     [2]int64
}

func newRollingWindow(length time.Duration) rollingWindow {
	return rollingWindow{epoch: time.Now(), bucket: length / windowBuckets}
}

// add counts a of the first kind and b of the second in the current bucket.
func (w *rollingWindow) add(a, b int64) {
	current := &w.buckets[w.tick%windowBuckets]
	current[0] += a
	current[1] += b
	w.sum[0] += a
	w.sum[1] += b
}

// roll forgets the buckets that the window has left behind.
func (w *rollingWindow) roll() {
	tick := int64(time.Since(w.epoch) / w.bucket)
	for range min(tick-w.tick, windowBuckets) {
		w.tick++
		old := &w.buckets[w.tick%windowBuckets]
		w.sum[0] -= old[0]
		w.sum[1] -= old[1]
		*old = [2]int64{}
	}
	w.tick = tick
}
