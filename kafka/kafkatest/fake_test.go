package kafkatest_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// fakeTB is a test that is expected to fail.
type fakeTB struct {
	ctx      context.Context
	failed   string
	cleanups []func()
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Context() context.Context { return f.ctx }
func (f *fakeTB) Cleanup(fn func())        { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs fn with a test of its own and returns the message it failed with,
// empty where it did not fail.
func fails(t *testing.T, fn func(t *fakeTB)) string {
	t.Helper()
	fake := &fakeTB{ctx: t.Context()}
	var wg sync.WaitGroup
	wg.Go(func() { fn(fake) })
	wg.Wait()
	for _, cleanup := range fake.cleanups {
		cleanup()
	}
	return fake.failed
}
