package kafka

import "sync/atomic"

// buffer counts the records of a producer that are not acknowledged. The client
// below has bounds, too, but says only later, from another goroutine, that one is
// reached: by then the next record of the call has been sent, out of its order.
type buffer struct {
	maxRecords, maxBytes int64 // maxBytes negative: no bound
	records, bytes       atomic.Int64
}

func newBuffer(cfg ProducerConfig) buffer {
	return buffer{maxRecords: int64(cfg.MaxBuffered), maxBytes: int64(cfg.MaxBufferedBytes)}
}

// enter takes a place for the record, if there is one. A record that is larger
// than the buffer gets in when it is empty.
func (b *buffer) enter(r *Record) bool {
	if b.records.Add(1) > b.maxRecords {
		b.records.Add(-1)
		return false
	}
	size := sizeOf(r)
	if all := b.bytes.Add(size); b.maxBytes >= 0 && all > b.maxBytes && all > size {
		b.leave(size)
		return false
	}
	return true
}

func (b *buffer) leave(size int64) {
	b.bytes.Add(-size)
	b.records.Add(-1)
}

// sizeOf counts the bytes that a record carries.
func sizeOf(r *Record) int64 {
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return int64(size)
}
