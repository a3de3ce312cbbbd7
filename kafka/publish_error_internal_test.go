package kafka

import (
	"context"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

// The client says "canceled" to some of the records that it has when it is closed.
func TestRecordsThatCloseCutsOffAreUnavailable(t *testing.T) {
	p := new(Producer)
	p.closed.Store(true)
	if f := p.failure(&Record{Topic: "orders"}, context.Canceled); errors.CodeOf(f.Err) != errors.Unavailable || !f.MayBeWritten {
		t.Errorf("failure %+v", f)
	}
}
