package errors

import (
	"fmt"
	"strconv"
	"strings"
)

// A Violation is one fault in the input. All of it is public.
type Violation struct {
	// Pointer says where: a JSON pointer in its URI fragment form (RFC 6901, section 6), such as
	// "#/items/0/qty"; see [Pointer]. Empty: the input as a whole.
	Pointer string `json:"pointer,omitempty"`
	// Detail says what is wrong, for people.
	Detail string `json:"detail,omitempty"`
	// Reason says what is wrong, for programs, in UPPER_SNAKE_CASE. Empty: none.
	Reason string `json:"reason,omitempty"`
}

// Pointer returns the JSON pointer of a place in the input, such as "#/items/0/qty" for
// Pointer("items", 0, "qty"), with what must be escaped (RFC 6901, sections 3 and 6). Of steps that are
// neither a string nor an int, it takes the text that fmt gives. No step at all is the input as a whole: "#".
func Pointer(path ...any) string {
	b := []byte{'#'}
	for _, step := range path {
		switch s := step.(type) {
		case string:
			b = appendStep(b, s)
		case int:
			b = strconv.AppendInt(append(b, '/'), int64(s), 10)
		default:
			b = appendStep(b, fmt.Sprint(s))
		}
	}
	return string(b)
}

func appendStep(b []byte, step string) []byte {
	b = append(b, '/')
	for i := range len(step) {
		switch c := step[i]; {
		case c == '~':
			b = append(b, "~0"...)
		case c == '/':
			b = append(b, "~1"...)
		case inFragment(c):
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&0xf])
		}
	}
	return b
}

const upperHex = "0123456789ABCDEF"

// inFragment reports whether a byte may stand in a URI's fragment as it is (RFC 3986, section 3.5).
func inFragment(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@?", c) >= 0
}

// addViolations keeps as many as a document may hold.
func (p *document) addViolations(violations []Violation) {
	p.Violations = append(p.Violations, violations[:min(len(violations), maxViolations-len(p.Violations))]...)
}

// violations reads a list of ours or of somebody else's: an array of objects or of texts, or an object
// that has a text or a list of texts for each field, as ASP.NET writes it.
func (v value) violations() (violations []Violation) {
	for each := range v.elements() {
		if len(violations) == maxViolations {
			return violations
		}
		switch {
		case each.is('{'):
			violations = append(violations, each.violation())
		case each.is('"'):
			violations = append(violations, Violation{Detail: each.text(maxMessage)})
		}
	}
	for field, texts := range v.members() {
		where := pointerOf(string(field[:min(len(field), maxURI)]))
		if texts.is('"') && len(violations) < maxViolations {
			violations = append(violations, Violation{Pointer: where, Detail: texts.text(maxMessage)})
		}
		for text := range texts.elements() {
			if text.is('"') && len(violations) < maxViolations {
				violations = append(violations, Violation{Pointer: where, Detail: text.text(maxMessage)})
			}
		}
	}
	return violations
}

// violation reads one of ours, and the names that others have for its parts.
func (v value) violation() (found Violation) {
	var field, detail, reason string
	prose := false
	for name, part := range v.members() {
		switch string(name) {
		case "pointer":
			found.Pointer = part.text(maxURI)
		case "detail":
			found.Detail = part.text(maxMessage)
		case "reason":
			found.Reason = part.text(maxMessage)
		case "field": // google.rpc, Spring Boot
			field = part.text(maxURI)
		case "name": // RFC 7807, whose reason is a text for people
			field, prose = part.text(maxURI), true
		case "source": // JSON:API
			field = part.member("pointer").text(maxURI)
		case "loc": // FastAPI
			field = part.location()
		case "message", "defaultMessage", "description", "title", "msg":
			detail = part.text(maxMessage)
		case "code", "type":
			reason = part.text(maxName)
		}
	}
	if found.Pointer == "" {
		found.Pointer = pointerOf(field)
	}
	if found.Detail == "" {
		found.Detail = detail
	}
	if found.Detail == "" && prose {
		found.Detail, found.Reason = found.Reason, ""
	}
	if found.Reason = bounded(found.Reason, maxName); found.Reason == "" {
		found.Reason = reason
	}
	return found
}

// location reads a path such as ["body","items",0,"qty"], whose first step is the part of the request.
func (v value) location() string {
	b, first := []byte{'#'}, true
	for step := range v.elements() {
		if !first && len(b) < maxURI {
			if step.is('"') {
				b = appendStep(b, step.text(maxName))
			} else {
				b = appendStep(b, string(step[:min(len(step), maxName)]))
			}
		}
		first = false
	}
	if len(b) == 1 {
		return ""
	}
	return string(b)
}

// pointerOf makes a pointer of a field's name: items[0].qty, $.items[0].qty and /items/0/qty are
// #/items/0/qty.
func pointerOf(field string) string {
	switch {
	case field == "" || strings.HasPrefix(field, "#"):
		return field
	case field[0] == '/':
		b, unescape := []byte{'#'}, strings.NewReplacer("~1", "/", "~0", "~")
		for step := range strings.SplitSeq(field[1:], "/") {
			b = appendStep(b, unescape.Replace(step))
		}
		return bounded(string(b), maxURI)
	}
	b := []byte{'#'}
	for step := range strings.FieldsFuncSeq(strings.TrimPrefix(field, "$"), func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		b = appendStep(b, strings.Trim(step, `'"`))
	}
	return bounded(string(b), maxURI)
}
