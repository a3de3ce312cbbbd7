package kafka

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Calls that were published again count from when they began, so that they come in
// any order, and each ends at its own time, however the others come and go.
func TestDeadlinesEndEachCallAtItsTime(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			var d deadlines
			begun := time.Now()
			type call struct {
				pub     *publication
				due     time.Duration
				removed bool
			}
			var calls []call
			for now := time.Duration(0); now < 30*time.Second; now += time.Duration(random.IntN(2000)) * time.Millisecond {
				time.Sleep(time.Until(begun.Add(now)))
				synctest.Wait()
				for i, c := range calls {
					if want := !c.removed && c.due <= time.Since(begun); c.pub.late.Load() != want {
						t.Fatalf("seed %d: call %d, due after %v: ended is %t after %v, want %t", seed, i, c.due, !want, time.Since(begun), want)
					}
				}
				if i := random.IntN(len(calls) + 3); i < len(calls) && !calls[i].pub.late.Load() {
					d.remove(calls[i].pub)
					calls[i].removed = true
					continue
				}
				c := call{pub: &publication{changed: make(chan struct{}, 1)}, due: time.Since(begun) + time.Duration(random.IntN(5000)+1)*time.Millisecond}
				d.add(c.pub, begun.Add(c.due))
				calls = append(calls, c)
			}
			for _, c := range slices.Backward(calls) {
				d.remove(c.pub)
			}
			if d.first != nil || d.last != nil {
				t.Fatalf("seed %d: calls are left in the list", seed)
			}
			d.timer.Stop()
		})
	}
}
