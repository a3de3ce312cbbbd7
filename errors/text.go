package errors

import "fmt"

const (
	maxText  = 16 << 10 // bytes of an error's text
	maxChain = 1000     // errors in a chain whose texts are asked for
)

// textOf returns the text of any error. It is bounded, and an Error method that panics or that calls
// itself without end does no harm.
func textOf(err error) string {
	b := make([]byte, 0, 128)
	return string(appendTextOf(b, err))
}

// appendTextOf goes down a chain of our own errors by itself: were each to ask the next for its text, a
// long chain would take a deep stack and quadratic time.
func appendTextOf(b []byte, err error) []byte {
	for range maxNodes {
		switch e := err.(type) {
		case *marked:
			err = e.error
			continue
		case *Error:
			b = e.appendText(b)
			if e == nil || e.cause == nil || len(b) > maxText {
				return cut(b)
			}
			b = append(b, ": "...)
			err = e.cause
			continue
		}
		break
	}
	return appendForeign(b, err)
}

// appendText appends what the error says itself.
func (e *Error) appendText(b []byte) []byte {
	if e == nil {
		return append(b, "<nil *errors.Error>"...)
	}
	if e.remote {
		b = append(b, "remote "...)
	}
	b = append(b, e.Code().String()...)
	if reason := e.Reason(); reason != "" {
		b = append(append(append(b, " ("...), reason...), ')')
	}
	if e.message != "" {
		b = append(append(b, ": "...), bounded(e.message, maxText)...)
	}
	return b
}

// cut shows that something is missing.
func cut(b []byte) []byte {
	if len(b) <= maxText {
		return b
	}
	return append(boundedBytes(b, maxText), "…"...)
}

func appendForeign(b []byte, err error) (whole []byte) {
	defer func() {
		if recover() != nil {
			whole = fmt.Appendf(b, "<%T, whose text is not to be had>", err)
		}
	}()
	if endless(err) {
		return fmt.Appendf(b, "<%T, a chain of more than %d errors>", err, maxChain)
	}
	return cut(append(b, bounded(err.Error(), maxText+1)...))
}

// endless reports whether asking err for its text might take without end: its chain is very long, or
// leads back to itself.
func endless(err error) bool {
	budget := maxNodes
	return tooDeep(err, maxChain, &budget)
}

func tooDeep(err error, depth int, budget *int) bool {
	for ; err != nil; depth-- {
		if *budget--; depth <= 0 || *budget <= 0 {
			return true
		}
		members, next := unwrap(err)
		for _, member := range members {
			if tooDeep(member, depth-1, budget) {
				return true
			}
		}
		err = next
	}
	return false
}
