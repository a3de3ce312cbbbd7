package kafka

import (
	"testing"
	"unsafe"
)

// A run of items and the header of their allocation fit into one of the allocator's
// sizes. What is larger wastes a fifth of it, for each record.
func TestARunOfItemsFitsIntoFourKibibytes(t *testing.T) {
	const header = 8
	if size := intakeRun*unsafe.Sizeof(item{}) + header; size > 4096 {
		t.Errorf("%d items of %d bytes take %d bytes", intakeRun, unsafe.Sizeof(item{}), size)
	}
}
