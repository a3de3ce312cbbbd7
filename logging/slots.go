package logging

import "sync/atomic"

// slots is a small table of what was worked out before, each in the place that its key's hash names; a
// later one takes the place of an earlier one. Reading is one load and one comparison.
type slots[V any] [slotCount]atomic.Pointer[V]

const slotCount = 256

// ofText is a place for a name of a field: names differ in length and at their ends.
func (s *slots[V]) ofText(name string) *atomic.Pointer[V] {
	if name == "" {
		return &s[0]
	}
	n := uint(len(name))
	return &s[(n*31+uint(name[0])*7+uint(name[n-1])*3+uint(name[n/2]))%slotCount]
}

// ofPC is a place for a place in the program.
func (s *slots[V]) ofPC(pc uintptr) *atomic.Pointer[V] { return &s[(pc^pc>>8)%slotCount] }
