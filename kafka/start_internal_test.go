package kafka

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/backend-platform/sdk/errors"
)

func TestABrokerThatHangsUpIsSaidInWords(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := insist(ctx, func() error { return fmt.Errorf("read: %w", io.EOF) })
	if want := "unavailable: a broker closed the connection before it answered: read: EOF"; errors.CodeOf(err) != errors.Unavailable || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	cause := context.Cause(ctx)
	if err := insist(ctx, func() error { return cause }); err != cause {
		t.Errorf("error %v, want %v", err, cause)
	}
}
