package main

import (
	"strings"
	"testing"

	"github.com/backend-platform/sdk/examples/shop/demo"
)

func TestTheDemonstrationFindsNothingWrong(t *testing.T) {
	var out strings.Builder
	err := demo.Run(t.Context(), &out, demo.Options{Drain: -1})
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour where no terminal is")
	}
}

func TestAKafkaThatIsNotThereIsAClearError(t *testing.T) {
	err := demo.Run(t.Context(), &strings.Builder{}, demo.Options{Brokers: "127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("the error does not name the address: %v", err)
	}
}
