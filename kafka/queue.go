package kafka

import "container/heap"

// slotQueue is a first-in, first-out queue of slots. It is not safe for
// concurrent use.
type slotQueue struct {
	ring       []*slot
	head, size int
}

func (q *slotQueue) push(s *slot) {
	if q.size == len(q.ring) {
		ring := make([]*slot, max(minRing, 2*len(q.ring)))
		for i := range q.size {
			ring[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.size)&(len(q.ring)-1)] = s
	q.size++
}

// pop returns the slot that waited longest, or nil.
func (q *slotQueue) pop() *slot {
	if q.size == 0 {
		return nil
	}
	s := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.size--
	return s
}

// lane reports whether the next slot is a partition's lane.
func (q *slotQueue) lane() bool { return q.size > 0 && q.ring[q.head].lane }

// keep removes the slots for which it reports false and keeps the order.
func (q *slotQueue) keep(want func(*slot) bool) {
	for range q.size {
		if s := q.pop(); want(s) {
			q.push(s)
		}
	}
}

// retryHeap orders the records that wait by when they are due; it implements
// container/heap.
type retryHeap []*item

func (h retryHeap) Len() int           { return len(h) }
func (h retryHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h retryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *retryHeap) init() {
	for i, it := range *h {
		it.heapIndex = i
	}
	heap.Init(h)
}

// Push appends an *item, as container/heap asks for.
func (h *retryHeap) Push(x any) {
	it := x.(*item)
	it.heapIndex = len(*h)
	*h = append(*h, it)
}

// Pop removes the last *item, as container/heap asks for.
func (h *retryHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
