package resilience

import (
	"math"
	"time"
)

const (
	// limitWindow is the least time over which calls are looked at.
	limitWindow = 100 * time.Millisecond
	// settling is how many latencies it takes until what is seen is what a new limit does.
	settling = 2
	// fewestSamples and mostSamples bound how many calls are looked at, which is as many as the limit:
	// the mean of fewer varies too much, and more would make a low limit slow to recover.
	fewestSamples, mostSamples = 20, 100
	// mostSpread bounds how many times more are looked at where latencies differ much.
	mostSpread = 10
	// learning is over how many windows what is normal is found out: calls that take long have not ended
	// in the first ones.
	learning = 20
	// varied is the spread of latencies that no queue has: all wait in it.
	varied = 1.5
	// limitGrowth is the part by which a limit grows in a window that needs more.
	limitGrowth = 0.25
	// limitCut is the part of a limit that is left, at the least, after one window.
	limitCut = 0.5
	// overloadShare is the share of overload failures from which a window is an overload. A few
	// timeouts are part of normal operation, and must not lower the limit window after window.
	overloadShare = 0.1
	// overloadCut is the part of a limit that is left after such a window.
	overloadCut = 0.9
	// normalMemory is how fast what is normal follows what is seen without an overload: it does not
	// follow the first seconds of one, nor its first windows where calls are few.
	normalMemory        = time.Minute
	normalMemoryWindows = 100
	// checkEvery is after how many windows in which calls were shed what is normal is looked at afresh.
	checkEvery = 300
	// stuckAfter and stuckLatencies are how long nothing must have been heard of calls while others are
	// shed, until there is room for more.
	stuckAfter, stuckLatencies = time.Second, 4
	// startAtMost is the first limit where there is no highest one.
	startAtMost = 1000
)

// A window is what was seen of some calls.
type window struct {
	length   time.Duration
	calls    int64   // that succeeded
	latency  float64 // of these, the mean of its logarithm to the base 2
	mean     float64 // and that of itself
	overload int64   // calls that failed for overload
	peak     float64 // most calls in flight
	inFlight float64 // at the end
	shed     int64   // calls that were shed, ever
}

// limitControl decides on the limit of an [AdaptiveLimit]. It works with the mean logarithm of
// latencies, so their geometric mean: one report of a minute among a hundred reads of a millisecond
// does not make it look as though reads had become slow.
//
// What other limiters of the kind were seen to get wrong, and what is done here instead:
//   - a limit that grows for ever under moderate overload, because room for a queue is added to it in
//     each window (https://github.com/Netflix/concurrency-limits/pull/134): it grows only as long as
//     latency is tolerable;
//   - a normal latency that follows a long overload up, until the overload is normal
//     (https://github.com/failsafe-go/failsafe-go/issues/127): under load it changes only if fewer calls
//     at a time were seen not to help;
//   - shedding at normal load, to measure latency at almost no load
//     (https://github.com/envoyproxy/envoy/issues/8337, 18152): it is measured at the load there is, and
//     the limit halved for that only while calls are shed anyway;
//   - calls from before a change of the limit that count after it
//     (https://github.com/envoyproxy/envoy/pull/11579): they do not;
//   - failures that take no time, and make everything look fast
//     (https://github.com/Netflix/concurrency-limits/issues/176): only successes have a latency.
type limitControl struct {
	min, max  float64
	tolerance float64

	limit   float64
	normal  float64 // latency without a queue; 0: not known
	latency float64 // of the last window
	spread  float64 // likewise
	learnt  int     // windows since the first that normal is from
	shed    int64
	held    float64 // calls in flight that do not end, at the most
	loaded  int     // windows in which calls were shed since normal was last checked

	cut cut
}

// cut is a limit on its way down.
type cut struct {
	top float64 // where it came from; 0: it is not on its way down
	// What it has to be compared with: a limit that was in force for a whole window, and the latency
	// under it. While calls pile up, the latency lags behind what is in flight. 0: not known yet.
	from, latency float64
}

func newLimitControl(cfg AdaptiveConfig) limitControl {
	c := limitControl{min: float64(cfg.Min), max: float64(cfg.Max), tolerance: cfg.Tolerance, limit: float64(cfg.Max)}
	if cfg.Max == math.MaxInt32 {
		c.limit = max(startAtMost, c.min)
	}
	return c
}

// enough is how many calls a window needs: more where their latencies differ more, or what is only chance
// would look like an overload.
func (c *limitControl) enough() int64 {
	return int64(min(max(c.limit, fewestSamples), mostSamples) * max(c.spread, 1))
}

// decide sets the limit for the next window, and reports whether that changes what calls meet, so that
// those from before say nothing of it.
func (c *limitControl) decide(w window) (changed bool) {
	before := c.limit
	shedding := w.shed > c.shed
	c.shed = w.shed
	c.held = min(c.held, w.inFlight)
	if w.calls > 0 {
		c.latency = w.latency
		c.spread = min(w.spread(), mostSpread)
	}
	bound := shedding || w.peak >= c.limit/2
	if bound && float64(w.overload) >= overloadShare*float64(w.overload+w.calls) {
		c.cut = cut{}
		c.set(c.limit * overloadCut)
		return c.limit != before
	}
	if c.normal == 0 {
		c.normal, c.learnt = w.latency, 0
	}
	c.learnt++
	if !shedding && c.learnt <= learning && c.spread > varied {
		c.normal += (w.latency - c.normal) * 2 / float64(c.learnt+1) // later windows count for more
		return false
	}
	if !bound {
		c.cut = cut{}
		c.follow(w)
		c.set(c.limit * (1 + w.weight())) // an overload is over some time
		return false
	}
	if shedding {
		c.loaded++
	}
	if c.cut.from > 0 && (c.limit <= c.cut.from/2 || c.limit == c.lowest()) && c.settle(w) {
		return c.limit != before
	}
	excess := w.latency - c.normal - math.Log2(c.tolerance)
	switch {
	case shedding && c.loaded >= checkEvery:
		// At half the tolerable queue, latency is normal also if normal has a queue in it. Go below that.
		c.cut = cut{top: c.limit, from: c.limit, latency: w.latency}
		c.set(c.limit * limitCut / c.tolerance)
	case excess > 0:
		c.lower(w, math.Exp2(-excess))
	default:
		c.cut = cut{}
		if !shedding {
			c.follow(w)
		} else {
			c.normal = min(c.normal, w.latency)
		}
		c.set(c.limit + max(c.limit*limitGrowth, 1))
	}
	return c.limit != before
}

// follow lets what is normal drift to what is seen while no call has to wait for another.
func (c *limitControl) follow(w window) {
	c.loaded = 0
	c.normal += (w.latency - c.normal) * w.weight()
}

// spread is how much latencies differ: the logarithm of their arithmetic mean over the geometric one, which
// grows as the variance of their logarithms does. It is 1 for the exponential distribution.
func (w window) spread() float64 {
	const exponential = 0.5772 // Euler's constant
	return math.Ln2 * (math.Log2(max(w.mean, 1)) - w.latency) / exponential
}

func (w window) weight() float64 {
	return min(float64(w.length)/float64(normalMemory), 1.0/normalMemoryWindows)
}

func (c *limitControl) lower(w window, factor float64) {
	switch {
	case c.cut.top == 0:
		c.cut.top = c.limit
	case c.cut.from == 0:
		c.cut.from, c.cut.latency = c.limit, w.latency
	}
	c.set(c.limit * max(factor, limitCut))
}

// settle compares latencies after the limit was halved. Behind a queue they fall as the limit does. If
// they have not, calls take so long by themselves: the limit is put back, and settle returns true. The
// border is near to no change, for to halve once more costs less than to take a queue for normal.
func (c *limitControl) settle(w window) bool {
	before := c.cut
	c.cut.from = 0
	if w.latency >= c.normal+math.Log2(0.8) { // else there is more to find below
		c.loaded = 0
	}
	if w.latency < before.latency+math.Log2(c.limit/before.from)/4 {
		c.normal = min(c.normal, w.latency)
		return false
	}
	c.cut = cut{}
	c.normal = w.latency
	c.set(before.top)
	return true
}

// unstick is for a window in which calls were shed and none of those let in told anything: those in
// flight do not end, as streams do not, or end in ways that tell nothing. What is normal is then unknown.
// Others get room beside them.
func (c *limitControl) unstick(inFlight float64) {
	c.cut, c.normal, c.held = cut{}, 0, inFlight
	c.set(max(c.limit, c.lowest()))
}

// patience is how long it may be from one call that tells something to the next.
func (c *limitControl) patience() time.Duration {
	return stuckAfter + stuckLatencies*time.Duration(math.Exp2(c.latency))
}

// lowest is the lowest limit: Min beside the calls that do not end.
func (c *limitControl) lowest() float64 { return min(c.held+c.min, c.max) }

func (c *limitControl) set(limit float64) {
	c.limit = min(max(limit, c.lowest()), c.max)
}
