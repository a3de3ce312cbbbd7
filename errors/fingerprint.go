package errors

import (
	"runtime/debug"
	"strings"
	"sync"
)

// Fingerprint returns a text that is the same for errors of the same kind from the same place: the
// code, the reason, and the innermost function of the running program's own module. It groups errors
// in a log store. It does not change with line numbers, nor with how the compiler inlines: a function
// literal counts as the function that it stands in. Fingerprint(nil) is "".
func Fingerprint(err error) string {
	if err == nil {
		return ""
	}
	parts := []string{CodeOf(err).String()}
	if reason := ReasonOf(err); reason != "" {
		parts = append(parts, reason)
	}
	if function := ownFunction(err); function != "" {
		parts = append(parts, enclosing(function))
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

// enclosing returns the function that a function literal stands in. Literals are numbered, so their
// names change when another one is added above; and where the compiler inlines the function into
// another, their names may begin with the other's: main.run.load.func3 stands for main.load.func1.
func enclosing(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	path, name, ok := strings.Cut(function[slash:], ".")
	if !ok {
		return function
	}
	// What a generic function is instantiated with is [...] in a name, whatever it is.
	steps := strings.Split(strings.ReplaceAll(name, "[...]", "[]"), ".")
	last := len(steps) - 1
	for last > 0 && literal(steps[last]) {
		last--
	}
	if steps[last], _, ok = strings.Cut(steps[last], "-range"); last == len(steps)-1 && !ok {
		return function
	}
	begin := last
	if last > 0 && strings.HasPrefix(steps[last-1], "(") {
		begin--
	}
	name = strings.ReplaceAll(strings.Join(steps[begin:last+1], "."), "[]", "[...]")
	return function[:slash] + path + "." + name
}

// literal knows what the compiler calls function literals: func1, gowrap2, deferwrap1, and 1 for one
// in another.
func literal(step string) bool {
	step, _, _ = strings.Cut(step, "-range")
	for _, prefix := range []string{"func", "gowrap", "deferwrap"} {
		if rest, ok := strings.CutPrefix(step, prefix); ok {
			step = rest
			break
		}
	}
	return step != "" && strings.Trim(step, "0123456789") == ""
}
