package kafka

import (
	"testing"
	"unsafe"
)

// What shares an allocation fits with its header into one of the allocator's sizes, and
// fills it. What is larger wastes a fifth of it, for each record.
func TestSharedAllocationsFillFourKibibytes(t *testing.T) {
	const header, size = 8, 4096
	for name, chunk := range map[string]struct{ n, each uintptr }{
		"items":      {itemChunk, unsafe.Sizeof(item{})},
		"deliveries": {runChunk, unsafe.Sizeof(delivery{})},
	} {
		if fit := (size - header) / chunk.each; chunk.n != fit {
			t.Errorf("%d %s of %d bytes share an allocation, and %d fit", chunk.n, name, chunk.each, fit)
		}
	}
}
