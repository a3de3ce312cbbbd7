package logging

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

func TestOneTurnAtATimeAndNoneIsForgotten(t *testing.T) {
	turn := newTurn()
	var all sync.WaitGroup
	inside := 0 // the race detector sees what a turn does not guard
	for i := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range 2000 {
				giveUp := make(chan struct{})
				if random.IntN(4) == 0 {
					close(giveUp)
				}
				if !turn.take(giveUp) {
					continue
				}
				if inside++; inside != 1 {
					t.Error("two have a turn")
				}
				if random.IntN(8) == 0 {
					runtime.Gosched()
				}
				inside--
				turn.leave()
			}
		})
	}
	all.Wait()
	if !turn.take(nil) {
		t.Error("the last turn was not given back")
	}
}

func TestWhoWaitsGetsATurnAlsoWhenOthersGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := newTurn()
		turn.take(nil)
		giveUp, got := make(chan struct{}), make(chan bool, 3)
		go func() { got <- turn.take(giveUp) }()
		go func() { got <- turn.take(nil) }()
		go func() { got <- turn.take(giveUp) }()
		synctest.Wait()
		close(giveUp)
		synctest.Wait()
		turn.leave()
		synctest.Wait()
		if len(got) != 3 {
			t.Errorf("%d of 3 have an answer", len(got))
		}
	})
}
