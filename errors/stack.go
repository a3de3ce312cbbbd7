package errors

import (
	"iter"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// maxFrames bounds a captured stack. 32 frames reach from a repository's method up through handler,
// middleware and server.
const maxFrames = 32

// stack holds program counters; they become names only when somebody prints them.
type stack []uintptr

// callers captures the stack of the code that called New, Wrap or one of their siblings: four calls
// up from runtime.Callers (itself, callers, make, the constructor). A DefinedError's has one more.
func callers() stack {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(4, pcs[:])
	return append(make(stack, 0, n), pcs[:n]...)
}

func hasStack(err error) bool {
	return err != nil && deepestStack(err) != nil
}

// deepestStack returns the stack that lies nearest to the origin of err.
func deepestStack(err error) stack {
	var found stack
	walk(err, func(err error) (stop bool) {
		if e, ok := err.(*Error); ok && e != nil && e.stack != nil {
			found = e.stack
		}
		return false
	})
	return found
}

// StackTrace returns the frames of the stack that lies nearest to the origin of err, innermost first.
// It is empty if no error of the chain has a stack: only codes that log at error level capture one.
func StackTrace(err error) iter.Seq[runtime.Frame] {
	return func(yield func(runtime.Frame) bool) {
		pcs := deepestStack(err)
		if len(pcs) == 0 {
			return
		}
		frames := runtime.CallersFrames(pcs)
		for {
			frame, more := frames.Next()
			if !ours(frame.Function) && !yield(frame) || !more {
				return
			}
		}
	}
}

// ours reports whether a frame belongs to this package's constructors, of which a DefinedError's
// stack holds one.
func ours(function string) bool {
	return strings.HasPrefix(function, "github.com/backend-platform/sdk/errors.(*DefinedError).") ||
		strings.HasPrefix(function, "github.com/backend-platform/sdk/errors.Code.")
}

// Fingerprint returns a text that is the same for errors of the same kind from the same place: the
// code, the reason, and the innermost function of the running program's own module. It groups errors
// in a log store.
func Fingerprint(err error) string {
	if err == nil {
		return ""
	}
	parts := []string{CodeOf(err).String()}
	if reason := ReasonOf(err); reason != "" {
		parts = append(parts, reason)
	}
	if function := ownFunction(err); function != "" {
		parts = append(parts, function)
	}
	return strings.Join(parts, " ")
}

// ownFunction falls back to the innermost function where none is of the program's own module.
func ownFunction(err error) string {
	first := ""
	for frame := range StackTrace(err) {
		if own(frame.Function) {
			return frame.Function
		}
		if first == "" {
			first = frame.Function
		}
	}
	return first
}

// mainModule is the path of the module that the program was built from, or "".
var mainModule = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Path
})

// own knows that functions of package main carry "main.", not their module's path.
func own(function string) bool {
	module := mainModule()
	return strings.HasPrefix(function, "main.") ||
		module != "" && (strings.HasPrefix(function, module+"/") || strings.HasPrefix(function, module+"."))
}
