package redact_test

import (
	"errors"
	"io"
	"testing"

	"github.com/backend-platform/sdk/internal/redact"
)

func TestErrorHidesTheTextAndKeepsTheChain(t *testing.T) {
	err := redact.Error(errors.Join(errors.New("password=hunter2"), io.EOF))
	if got := err.Error(); got != "password=REDACTED\nEOF" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("the chain is lost")
	}
	if redact.Error(nil) != nil {
		t.Error("nil became an error")
	}
}
