package locked_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/backend-platform/sdk/internal/locked"
)

func TestBufferKeepsWhatManyWrite(t *testing.T) {
	var b locked.Buffer
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if n, err := io.WriteString(&b, "line\n"); n != 5 || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
				_ = b.String()
			}
		})
	}
	all.Wait()
	if got := strings.Count(b.String(), "line\n"); got != 800 {
		t.Errorf("%d lines, want 800", got)
	}
	if b.Reset(); b.String() != "" {
		t.Errorf("after Reset it holds %q", b.String())
	}
}
