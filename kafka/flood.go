package kafka

// floodRecords is how many records the flood guard looks back on.
const floodRecords = 100

// flood is the guard against moving a topic into the dead letters: a new
// version that cannot read its input rejects every record, and each rejection
// looks like a bad record. It is not safe for concurrent use.
type flood struct {
	ratio float64 // dead letters among the last records that stop the consumer; negative: off
	last  [floodRecords]bool
	at    int
	seen  int
	dead  int
}

// record notes the end of a record, and reports whether too many of the last
// ended as dead letters.
func (f *flood) record(dead bool) bool {
	if f.last[f.at] {
		f.dead--
	}
	f.last[f.at] = dead
	if dead {
		f.dead++
	}
	f.at = (f.at + 1) % floodRecords
	f.seen = min(f.seen+1, floodRecords)
	return dead && f.ratio >= 0 && f.seen == floodRecords && float64(f.dead) > f.ratio*floodRecords
}

// reset forgets what was seen, when the consumer goes on.
func (f *flood) reset() { *f = flood{ratio: f.ratio} }
