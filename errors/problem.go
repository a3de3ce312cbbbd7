package errors

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of a [Problem] (RFC 9457, section 3).
const ContentType = "application/problem+json"

// maxViolations bounds how many violations one document carries, either way.
const maxViolations = 1000

// A Problem is the document that callers get: application/problem+json of RFC 9457 with our extension
// members. Everything in it is public.
type Problem struct {
	Type     string // URI of the error's documentation; "" is about:blank
	Title    string // for people, the same for every error of a type
	Status   int    // HTTP status
	Detail   string // for people, about this occurrence; "": nothing to say
	Instance string // URI of this occurrence; "": urn:trace:<TraceID> where there is one

	Code           Code              // member code
	Reason         string            // member reason; "": none
	Domain         string            // member domain; "": none
	Retryable      bool              // member retryable
	RetryAfter     time.Duration     // member retry_after_ms, in whole milliseconds; 0: none
	RetryExhausted bool              // member retry_exhausted; absent if false
	TraceID        string            // member trace_id, in hex; "": none
	Violations     []Violation       // member errors; at most 1000 are sent
	Metadata       map[string]string // member metadata
	Unknown        map[string][]byte // further members as JSON; names of the members above are left out
}

// NewProblem returns what a caller may know about err. That is what the error that decides its code
// says in public: never a cause, an attribute or a stack. A remote error is treated as [Local] says.
// NewProblem(nil) is nil.
func NewProblem(err error) *Problem {
	if err == nil {
		return nil
	}
	err = Local(err)
	d := decide(err)
	p := &Problem{
		Code:           d.code,
		Status:         d.code.HTTPStatus(),
		Retryable:      Retryable(err),
		RetryAfter:     RetryAfter(err),
		RetryExhausted: Exhausted(err),
	}
	switch e := d.node.(type) {
	case *Error:
		p.describe(e)
	case *DefinedError:
		p.define(e)
	}
	if p.Title == "" {
		p.Title = statusPhrase(p.Status)
	}
	return p
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
	p.Detail = bounded(e.message, maxMessage)
	p.Violations = e.Violations()
	p.Metadata = e.Metadata()
	p.Unknown = e.Unknown()
}

func (p *Problem) define(d *DefinedError) {
	p.Type, p.Reason, p.Domain = d.Type(), d.Reason(), d.Domain()
	p.Title, p.Status = d.orNone().def.Title, d.Status()
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
// become U+FFFD. A document stays below [MaxProblemBytes]: violations, metadata and unknown members
// that do not fit are left out. Unknown members that are no JSON, or that some decoder would take for
// one of ours (the same name in another case), are left out too.
func (p *Problem) AppendJSON(b []byte) []byte {
	end := len(b) + MaxProblemBytes
	b = append(b, '{')
	b = appendMember(b, "type", p.Type)
	b = appendMember(b, "title", p.Title)
	b = strconv.AppendInt(appendName(b, "status"), int64(p.Status), 10)
	b = appendMember(b, "detail", p.Detail)
	b = appendMember(b, "instance", p.instance())
	b = appendMember(b, "code", p.Code.String())
	b = appendMember(b, "reason", p.Reason)
	b = appendMember(b, "domain", p.Domain)
	b = strconv.AppendBool(appendName(b, "retryable"), p.Retryable)
	if p.RetryAfter > 0 {
		b = strconv.AppendInt(appendName(b, "retry_after_ms"), milliseconds(p.RetryAfter), 10)
	}
	if p.RetryExhausted {
		b = strconv.AppendBool(appendName(b, "retry_exhausted"), true)
	}
	b = appendMember(b, "trace_id", p.TraceID)
	b = appendViolations(b, end-16<<10, p.Violations)
	b = appendMetadata(b, end-4<<10, p.Metadata)
	b = appendUnknown(b, end-1, p.Unknown)
	return append(b, '}')
}

func (p *Problem) instance() string {
	if p.Instance == "" && p.TraceID != "" {
		return "urn:trace:" + p.TraceID
	}
	return p.Instance
}

// milliseconds rounds up: a caller that waits for what it was told is never early.
func milliseconds(d time.Duration) int64 {
	return int64((d-1)/time.Millisecond) + 1
}

func appendViolations(b []byte, end int, violations []Violation) []byte {
	if len(violations) == 0 {
		return b
	}
	b = append(appendName(b, "errors"), '[')
	for _, v := range violations[:min(len(violations), maxViolations)] {
		before := len(b)
		b = append(comma(b), '{')
		b = appendMember(b, "pointer", v.Pointer)
		b = appendMember(b, "detail", v.Detail)
		b = appendMember(b, "reason", v.Reason)
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
	b = append(appendName(b, "metadata"), '{')
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		before := len(b)
		if b = appendString(appendName(b, key), metadata[key]); len(b) >= end {
			b = b[:before]
		}
	}
	return append(b, '}')
}

func appendUnknown(b []byte, end int, unknown map[string][]byte) []byte {
	if len(unknown) == 0 {
		return b // slices.Sorted would allocate
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		if known[strings.ToLower(name)] || !json.Valid(unknown[name]) {
			continue
		}
		before := len(b)
		if b = append(appendName(b, name), harmless(unknown[name])...); len(b) >= end {
			b = b[:before]
		}
	}
	return b
}

// harmless makes somebody else's JSON safe to stand where our own strings may stand.
func harmless(value []byte) []byte {
	var out bytes.Buffer
	json.HTMLEscape(&out, bytes.ToValidUTF8(value, []byte("\ufffd")))
	return out.Bytes()
}

// known are the names of the members that Problem has fields for.
var known = map[string]bool{
	"type": true, "title": true, "status": true, "detail": true, "instance": true,
	"code": true, "reason": true, "domain": true, "retryable": true, "retry_after_ms": true,
	"retry_exhausted": true, "trace_id": true, "errors": true, "metadata": true,
}
