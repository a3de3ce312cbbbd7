package errors

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of a [Problem] (RFC 9457, section 3).
const ContentType = "application/problem+json"

// A Problem is the document that callers get: application/problem+json of RFC 9457 with our extension
// members. Everything in it is public.
type Problem struct {
	Type     string // URI of the error's documentation; "" is about:blank
	Title    string // for people, the same for every error of a type
	Status   int    // HTTP status; 0: absent
	Detail   string // for people, about this occurrence; "": nothing to say
	Instance string // URI of this occurrence; "": urn:trace:<TraceID> where there is one

	Code           Code              // member code; OK: absent
	Reason         string            // member reason; "": none
	Domain         string            // member domain; "": none
	Retry          Retry             // member retryable, which is true for RetryAlways; and member retry where RetryMarked
	RetryMarked    bool              // Retry is more than the code says by itself
	RetryAfter     time.Duration     // member retry_after_ms, in whole milliseconds; 0: none
	RetryExhausted bool              // member retry_exhausted; absent if false
	TraceID        string            // member trace_id, in hex; "": none
	Violations     []Violation       // member errors; at most 1000 are sent
	Metadata       map[string]string // member metadata; at most 64 pairs are sent
	Unknown        map[string][]byte // further members as JSON, at most 64; names of the members above are left out
}

// NewProblem returns what a caller may know about err. That is what the error that decides its code
// says in public: never a cause, an attribute or a stack. Of joined errors with the same code it has
// all violations. A remote error is treated as [Local] says, and the mark of one that our own wraps is
// about the call to the peer: our caller learns of it only where it permits less than our code. What is
// marked by [PassOn] is sent as it came. NewProblem(nil) is nil.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	p := new(Problem) // in a function that is inlined, so that a caller which only writes it saves the allocation
	p.fill(err)
	return p
}

// fill sets the members of an empty document.
func (p *Problem) fill(err error) {
	err = Local(err)
	d := decide(err)
	advice := rulingOn(err)
	if table := d.code.Retry(); advice.remote && advice.retry > table {
		advice = ruling{retry: table}
	}
	p.Code, p.Status = d.code, d.code.HTTPStatus()
	p.Retry, p.RetryMarked = advice.retry, advice.marked || advice.retry != d.code.Retry()
	p.RetryAfter, p.RetryExhausted = RetryAfter(err), Exhausted(err)
	switch e := d.node.(type) {
	case *Error:
		p.describe(e)
		if e != err {
			p.Violations = violationsOf(err, d.code)
		}
	case *DefinedError:
		p.define(e)
	default:
		p.Reason, p.Domain = owner(e)
	}
	if p.Title == "" {
		p.Title = statusPhrase(p.Status)
	}
}

func (p *Problem) describe(e *Error) {
	if e == nil {
		return
	}
	if e.defined != nil {
		p.define(e.defined)
	} else {
		p.Reason, p.Domain = e.Reason(), e.Domain()
		p.Type, p.Title = e.rest().kind, e.rest().title
	}
	p.Status = e.Status()
	p.Detail = e.message
	p.Instance = e.rest().instance
	p.TraceID = e.rest().traceID
	p.Violations = e.Violations()
	p.Metadata = e.Metadata()
	p.Unknown = e.Unknown()
}

func (p *Problem) define(d *DefinedError) {
	p.Type, p.Reason, p.Domain, p.Status = d.Type(), d.Reason(), d.Domain(), d.Status()
	if p.Type != "" { // about:blank has the status's phrase (RFC 9457, section 4.2.1)
		p.Title = d.orNone().def.Title
	}
}

// violationsOf returns those of all joined errors with the code: a check that reports each fault by an
// error of its own reports all of them. What lies below an Error is its cause, which is private.
func violationsOf(err error, code Code) (all []Violation) {
	defer func() { _ = recover() }()
	budget := maxNodes
	return appendViolationsOf(nil, err, code, false, &budget)
}

func appendViolationsOf(all []Violation, err error, code Code, passed bool, budget *int) []Violation {
	for err != nil && *budget > 0 {
		*budget--
		switch e := err.(type) {
		case *marked:
			passed = passed || e.passOn
		case *Error:
			if e.Code() == code && (passed || !e.Remote()) {
				violations := e.rest().violations
				all = append(all, violations[:min(len(violations), maxViolations-len(all))]...)
			}
			return all
		}
		members, next := unwrap(err)
		for _, member := range members {
			all = appendViolationsOf(all, member, code, passed, budget)
		}
		err = next
	}
	return all
}

// MarshalJSON writes the problem document of the error; see [NewProblem].
func (e *Error) MarshalJSON() ([]byte, error) {
	if e == nil {
		return []byte("null"), nil
	}
	return NewProblem(e).AppendJSON(nil), nil
}

// MarshalJSON writes the document, as [Problem.AppendJSON] does.
func (p Problem) MarshalJSON() ([]byte, error) { return p.AppendJSON(nil), nil }

// AppendJSON appends the document to b. Members stand in a fixed order; bytes that are not UTF-8
// become U+FFFD; texts are cut as [DecodeProblem] cuts them. A document stays below [MaxProblemBytes]:
// violations, metadata and unknown members that do not fit are left out. Unknown members that are no
// JSON, or that some decoder would take for one of ours (the same name in another case), are left out
// too.
func (p *Problem) AppendJSON(b []byte) []byte {
	end := len(b) + MaxProblemBytes
	b = append(b, '{')
	b = appendMember(b, `"type":`, bounded(p.Type, maxURI))
	b = appendMember(b, `"title":`, bounded(p.Title, maxTitle))
	if p.Status != 0 {
		b = strconv.AppendInt(appendName(b, `"status":`), int64(p.Status), 10)
	}
	b = appendMember(b, `"detail":`, bounded(p.Detail, maxMessage))
	b = p.appendInstance(b)
	if p.Code != OK {
		b = appendMember(b, `"code":`, p.Code.String())
	}
	b = appendMember(b, `"reason":`, bounded(p.Reason, maxName))
	b = appendMember(b, `"domain":`, bounded(p.Domain, maxName))
	b = strconv.AppendBool(appendName(b, `"retryable":`), p.Retry == RetryAlways)
	if p.RetryMarked {
		b = appendMember(b, `"retry":`, p.Retry.String())
	}
	if p.RetryAfter > 0 {
		b = strconv.AppendInt(appendName(b, `"retry_after_ms":`), milliseconds(p.RetryAfter), 10)
	}
	if p.RetryExhausted {
		b = strconv.AppendBool(appendName(b, `"retry_exhausted":`), true)
	}
	b = appendMember(b, `"trace_id":`, bounded(p.TraceID, maxName))
	b = appendViolations(b, end-16<<10, p.Violations)
	b = appendMetadata(b, end-4<<10, p.Metadata)
	b = appendUnknown(b, end-1, p.Unknown)
	return append(b, '}')
}

func (p *Problem) appendInstance(b []byte) []byte {
	if p.Instance == "" && len(p.TraceID) <= maxName && isHex(p.TraceID) {
		b = append(append(appendName(b, `"instance":`), `"urn:trace:`...), p.TraceID...)
		return append(b, '"')
	}
	return appendMember(b, `"instance":`, bounded(p.Instance, maxURI))
}

// milliseconds rounds up: a caller that waits for what it was told is never early.
func milliseconds(d time.Duration) int64 {
	return int64((d-1)/time.Millisecond) + 1
}

func appendViolations(b []byte, end int, violations []Violation) []byte {
	if len(violations) == 0 {
		return b
	}
	b = append(appendName(b, `"errors":`), '[')
	for _, v := range violations[:min(len(violations), maxViolations)] {
		before := len(b)
		b = append(comma(b), '{')
		b = appendMember(b, `"pointer":`, bounded(v.Pointer, maxURI))
		b = appendMember(b, `"detail":`, bounded(v.Detail, maxMessage))
		b = appendMember(b, `"reason":`, bounded(v.Reason, maxName))
		b = append(b, '}')
		if len(b) >= end {
			b = b[:before]
			break
		}
	}
	return append(b, ']')
}

func appendMetadata(b []byte, end int, metadata map[string]string) []byte {
	if len(metadata) == 0 {
		return b
	}
	var few [8]string
	b = append(appendName(b, `"metadata":`), '{')
	for _, key := range keysOf(few[:0], metadata) {
		before := len(b)
		if b = appendString(appendForeignName(b, key), bounded(metadata[key], maxMessage)); len(b) >= end {
			b = b[:before]
		}
	}
	return append(b, '}')
}

func appendUnknown(b []byte, end int, unknown map[string][]byte) []byte {
	if len(unknown) == 0 {
		return b
	}
	for _, name := range keysOf(nil, unknown) {
		if isKnown(name) || parse(unknown[name], maxDepth-1) == nil {
			continue
		}
		before := len(b)
		if b = append(appendForeignName(b, name), harmless(unknown[name])...); len(b) >= end {
			b = b[:before]
		}
	}
	return b
}

// keysOf appends the names that a document has room for to names, in their order.
func keysOf[V any](names []string, m map[string]V) []string {
	for name := range m {
		if len(name) <= maxName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxMetadata)]
}

// harmless makes somebody else's JSON safe to stand where our own strings may stand.
func harmless(value []byte) []byte {
	var out bytes.Buffer
	json.HTMLEscape(&out, bytes.ToValidUTF8(bytes.TrimSpace(value), []byte("\ufffd")))
	return out.Bytes()
}

// known are the names of the members that Problem has fields for.
var known = [...]string{
	"type", "title", "status", "detail", "instance", "code", "reason", "domain", "retryable", "retry",
	"retry_after_ms", "retry_exhausted", "trace_id", "errors", "metadata",
}

// isKnown folds case as encoding/json does, for which even a Kelvin sign is a k.
func isKnown(name string) bool {
	return slices.ContainsFunc(known[:], func(k string) bool { return strings.EqualFold(k, name) })
}
