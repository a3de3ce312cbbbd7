package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// item is what a record says: it is the seq-th of its key, and what becomes of
// it.
type item struct {
	key, seq int
	fate     fate
}

// fate is how a handler takes a record.
type fate string

const (
	// good records are handled, though attempts may fail.
	good fate = "good"
	// malformed records are refused at their first attempt.
	malformed fate = "malformed"
	// stubborn records fail at every attempt with an error that another attempt
	// might cure, and hold up their keys for that long.
	stubborn fate = "stubborn"
)

const (
	keys       = 1000
	partitions = 8
	valueSize  = 100
)

// items returns the records of a run, in the order in which they are written.
// One in a thousand is poison. The last fifth has none that is stubborn: with
// nothing left that succeeds, a consumer would rightly take it for an outage.
func items(seed uint64, n int) []item {
	random := rand.New(rand.NewPCG(seed, 1))
	next := make([]int, keys)
	all := make([]item, n)
	for i := range all {
		key := random.IntN(keys)
		all[i] = item{key: key, seq: next[key], fate: good}
		next[key]++
		if random.IntN(1000) == 0 {
			all[i].fate = malformed
			if random.IntN(2) == 0 && i < n*4/5 {
				all[i].fate = stubborn
			}
		}
	}
	return all
}

func (it item) keyBytes() []byte { return strconv.AppendInt([]byte("key-"), int64(it.key), 10) }

func (it item) value() []byte {
	value := fmt.Appendf(make([]byte, 0, valueSize), "%d %d %s ", it.key, it.seq, it.fate)
	return append(value, bytes.Repeat([]byte{'.'}, max(0, valueSize-len(value)))...)
}

// parseItem reads what value and keyBytes wrote.
func parseItem(key, value []byte) (item, error) {
	var it item
	words := strings.Fields(string(value))
	if len(words) == 4 {
		var errKey, errSeq error
		it.key, errKey = strconv.Atoi(words[0])
		it.seq, errSeq = strconv.Atoi(words[1])
		it.fate = fate(words[2])
		if errKey == nil && errSeq == nil && bytes.Equal(it.value(), value) && bytes.Equal(it.keyBytes(), key) {
			return it, nil
		}
	}
	return item{}, fmt.Errorf("key %q and value %q are not what was written", key, value)
}

func (it item) String() string {
	return fmt.Sprintf("record %d of key %d (%s)", it.seq, it.key, it.fate)
}
