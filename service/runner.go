package service

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strconv"

	"github.com/backend-platform/sdk/errors"
)

// label is the pprof label of a runner's goroutines: of the first, and of those that it starts.
const label = "runner"

// runner is background work.
type runner struct {
	name string
	run  func(context.Context) error
	task task
}

func newRunner(name string, run func(context.Context) error) *runner {
	return &runner{name: name, run: run, task: newTask()}
}

// start runs it, and begins the stop when it ends.
func (r *runner) start(ctx context.Context, h *halt) {
	go pprof.Do(ctx, pprof.Labels(label, r.name), func(ctx context.Context) {
		r.task.do(func() error { return r.run(ctx) }, func(err error) error { return r.ended(ctx, h, err) })
	})
}

// ended judges the end, and returns what is wrong with it.
func (r *runner) ended(ctx context.Context, h *halt, err error) error {
	stopping := h.isBegun()
	switch {
	case errors.Is(err, ErrStop):
		h.begin(cause{text: fmt.Sprintf("runner %q is done", r.name)})
		return nil
	case err == nil && stopping, ctx.Err() != nil && errors.Is(err, context.Canceled):
		return nil
	case err == nil:
		err = fmt.Errorf("runner %q ended, without an error and before the stop", r.name)
	default:
		err = fmt.Errorf("runner %q: %w", r.name, err)
	}
	h.begin(cause{text: fmt.Sprintf("runner %q failed", r.name), err: err})
	return err
}

// maxStacks bounds the text of stacksOf, in bytes.
const maxStacks = 64 << 10

// stacksOf returns where the goroutines of a runner are.
func stacksOf(name string) string {
	var all bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&all, 1) // to memory
	mark := []byte(strconv.Quote(label) + ":" + strconv.Quote(name))
	var found []byte
	for stack := range bytes.SplitSeq(all.Bytes(), []byte("\n\n")) {
		if bytes.Contains(stack, mark) && len(found)+len(stack) < maxStacks {
			found = append(append(found, stack...), "\n\n"...)
		}
	}
	return string(bytes.TrimSpace(found))
}
