package errors

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// MaxProblemBytes is how much of a response's body [DecodeProblem] looks at: a longer document is not
// read, and the status alone decides. Callers need not read more than one byte beyond it.
const MaxProblemBytes = 64 << 10

const (
	maxMessage  = 4 << 10 // bytes of a text, a URI or a pointer
	maxName     = 256     // bytes of a reason, a domain or a key
	maxMetadata = 64      // pairs of metadata, and unknown members
)

// A Response is what [DecodeProblem] needs of an HTTP response that reports a failure.
type Response struct {
	// Status is the HTTP status.
	Status int
	// Body is the body, which need not be a problem document, or complete, or there at all.
	Body []byte
	// RetryAfter is the wait that the header Retry-After asks for. Zero: none.
	RetryAfter time.Duration
	// RetryExhausted says that the header Retry-Exhausted is there.
	RetryExhausted bool
}

// DecodeProblem returns the error that a response reports. It never fails: what it cannot read, the
// status decides. It understands our own documents (with every member, known or not), RFC 9457
// documents of others, and the JSON errors of Google's APIs and of Connect.
//
// The result is remote: errors.Is finds the code and the definition, but nothing that the peer said
// reaches our own callers unless it is passed on; see [Local] and [PassOn]. What the peer sent is
// bounded: texts in length, lists in count.
func DecodeProblem(r Response) *Error {
	e := &Error{code: codeOfStatus(r.Status), remote: true, more: &details{}}
	if isFailure(r.Status) {
		e.status = uint16(r.Status)
	}
	if members := parseMembers(r.Body); members != nil {
		e.read(members)
	}
	if e.more.retryAfter == 0 {
		e.more.retryAfter = max(r.RetryAfter, 0)
	}
	e.more.exhausted = e.more.exhausted || r.RetryExhausted
	return e
}

// codeOfStatus reads the status of a response whose body says nothing. It is REST's reading: gRPC's
// own map makes 404 unimplemented and 400 internal, because its servers never send them.
func codeOfStatus(status int) Code {
	switch status {
	case 400:
		return InvalidArgument
	case 401:
		return Unauthenticated
	case 403:
		return PermissionDenied
	case 404:
		return NotFound
	case 408, 504:
		return DeadlineExceeded
	case 409:
		return Aborted
	case 429:
		return ResourceExhausted
	case 499:
		return Canceled
	case 501:
		return Unimplemented
	case 502, 503:
		return Unavailable
	}
	switch {
	case status >= 400 && status < 500:
		return FailedPrecondition
	case status >= 500 && status < 600:
		return Internal
	}
	return Unknown
}

type members map[string]json.RawMessage

func parseMembers(body []byte) members {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || len(body) > MaxProblemBytes || body[0] != '{' {
		return nil
	}
	var m members
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	return m
}

func (e *Error) read(m members) {
	if inner := m.object("error"); m["code"] == nil && (inner["status"] != nil || inner["code"] != nil) {
		e.readGoogle(inner)
		return
	}
	e.readCode(m.text("code", maxName))
	e.message = m.text("detail", maxMessage)
	if e.message == "" {
		e.message = m.text("message", maxMessage) // Connect's
		delete(m, "message")
	}
	d := e.more
	d.kind, d.title = m.text("type", maxMessage), m.text("title", maxMessage)
	d.reason, d.domain = m.text("reason", maxName), m.text("domain", maxName)
	d.traceID = m.text("trace_id", maxName)
	d.retryAfter = m.duration("retry_after_ms")
	d.exhausted, _ = m.flag("retry_exhausted")
	d.violations = m.violations()
	d.metadata = m.metadata()
	d.unknown = m.unknown()
	if retryable, ok := m.flag("retryable"); ok && retryable != (e.code.Retry() == RetryAlways) {
		e.retry = markOf(retryable)
	}
}

// readGoogle reads google.rpc.Status as Google's APIs write it: {"error":{"status":"NOT_FOUND",…}}.
func (e *Error) readGoogle(m members) {
	e.readCode(strings.ToLower(m.text("status", maxName)))
	e.message = m.text("message", maxMessage)
}

// readCode lets a body only name an error's code.
func (e *Error) readCode(text string) {
	if text == "cancelled" { // google.rpc's spelling
		text = Canceled.String()
	}
	if code, err := ParseCode(text); err == nil && code != OK {
		e.code = code
	}
}

// text returns "" where the member is not a string.
func (m members) text(name string, limit int) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return strings.Clone(bounded(s, limit))
}

func (m members) flag(name string) (value, ok bool) {
	err := json.Unmarshal(m[name], &value)
	return value, err == nil && !isNull(m[name])
}

// isNull knows the value that json.Unmarshal takes for any type.
func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func (m members) duration(name string) time.Duration {
	var number json.Number
	if json.Unmarshal(m[name], &number) != nil {
		return 0
	}
	ms, _ := number.Float64() // out of range is infinite
	if !(ms > 0) {
		return 0
	}
	if ms >= math.MaxInt64/float64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms * float64(time.Millisecond))
}

func (m members) object(name string) members {
	var o members
	if json.Unmarshal(m[name], &o) != nil {
		return nil
	}
	return o
}

func (m members) violations() []Violation {
	var list []json.RawMessage
	if json.Unmarshal(m["errors"], &list) != nil {
		return nil
	}
	var violations []Violation
	for _, raw := range list[:min(len(list), maxViolations)] {
		var v members
		if json.Unmarshal(raw, &v) != nil || v == nil {
			continue
		}
		violations = append(violations, Violation{
			Pointer: v.text("pointer", maxMessage),
			Detail:  v.text("detail", maxMessage),
			Reason:  v.text("reason", maxName),
		})
	}
	return violations
}

func (m members) metadata() map[string]string {
	pairs := m.object("metadata")
	metadata := make(map[string]string, min(len(pairs), maxMetadata))
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if len(metadata) < maxMetadata && len(key) <= maxName && !isNull(pairs[key]) {
			metadata[key] = pairs.text(key, maxMessage)
		}
	}
	if len(metadata) == 0 {
		return nil
	}
	return metadata
}

func (m members) unknown() map[string][]byte {
	var unknown map[string][]byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if known[name] || len(name) > maxName || len(unknown) >= maxMetadata {
			continue
		}
		if unknown == nil {
			unknown = make(map[string][]byte)
		}
		unknown[name] = bytes.Clone(m[name])
	}
	return unknown
}
