package service

import (
	"fmt"

	"github.com/backend-platform/sdk/errors"
)

// task is a call of the user's code that can be waited for, and given up.
type task struct {
	done chan struct{}
	err  error // written before done is closed
}

func newTask() task { return task{done: make(chan struct{})} }

// do calls f; judge may replace its error. A panic is an error, and so is runtime.Goexit, which t.FailNow calls.
func (t *task) do(f func() error, judge func(error) error) {
	err := errors.New("runtime.Goexit was called")
	defer func() {
		t.err = judge(err)
		close(t.done)
	}()
	err = recovered(f)
}

// spawn calls f in a goroutine of its own.
func spawn(f func() error) *task {
	t := newTask()
	go t.do(f, func(err error) error { return err })
	return &t
}

// recovered makes a panic an error with the stack of where it was. By %v: a panic with ErrStop is a panic.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = errors.Internal.Wrap(fmt.Errorf("panic: %v", value), "")
		}
	}()
	return f()
}
