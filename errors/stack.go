package errors

import (
	"iter"
	"runtime"
)

// maxFrames bounds a captured stack. 32 frames reach from a repository's method up through handler,
// middleware and server.
const maxFrames = 32

// stack holds program counters; they become names only when somebody prints them.
type stack []uintptr

// stackOf returns the stack that lies nearest to the origin of err: an Error that wraps one with a
// stack has the same. Of joined errors it is that of the one that decides the code, if it has one.
func stackOf(err error) (found stack) {
	defer func() { _ = recover() }()
	budget := maxNodes
	return stackWithin(err, &budget)
}

func stackWithin(err error, budget *int) stack {
	for err != nil && *budget > 0 {
		*budget--
		if e, ok := err.(*Error); ok && e != nil && e.stack != nil {
			return e.stack
		}
		members, next := unwrap(err)
		if members != nil {
			return stackOfJoined(members, budget)
		}
		err = next
	}
	return nil
}

func stackOfJoined(members []error, budget *int) (worst stack) {
	severity := 0
	for _, member := range members {
		found := stackWithin(member, budget)
		if found == nil {
			continue
		}
		if s := decideWithin(member, budget).code.row().severity; s > severity {
			worst, severity = found, s
		}
	}
	return worst
}

// StackTrace returns the frames of the stack that lies nearest to the origin of err, innermost first.
// It is empty if no error of the chain has a stack: only codes that log at error level capture one. Of
// joined errors it is the stack of the most severe one that has a stack.
func StackTrace(err error) iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		pcs := stackOf(err)
		if len(pcs) == 0 {
			return
		}
		frames := runtime.CallersFrames(pcs)
		for {
			frame, more := frames.Next()
			if !yield(frame) || !more {
				return
			}
		}
	}
}
