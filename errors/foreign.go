package errors

import (
	"strings"
	"time"
)

// How errors are written by others. What this file reads stays among the unknown members too, so
// nothing is lost. A document of ours never comes here.

// readForeign fills what p does not say yet.
func (p *document) readForeign(doc value) {
	var message, description, fault, details value
	for name, v := range doc.members() {
		switch string(name) {
		case "message", "msg": // Connect and many others; Twirp
			message = v
			p.addViolations(v.elementsOnly().violations()) // NestJS
		case "error_description": // OAuth 2.0 (RFC 6749, section 5.2)
			description = v
		case "error":
			fault = v
		case "details": // google.rpc.Status of a gRPC gateway; Connect
			details = v
		case "code":
			p.readForeignCode(v)
		case "detail": // FastAPI
			p.addViolations(v.elementsOnly().violations())
		case "violations", "invalid-params": // Quarkus, Zalando; the example of RFC 7807, section 3
			p.addViolations(v.violations())
		case "meta": // Twirp
			if p.Metadata == nil {
				p.Metadata = v.metadata()
			}
		case "traceId": // ASP.NET, Micrometer
			if p.TraceID == "" {
				p.TraceID = traceID(v.text(maxName))
			}
		}
	}
	if details.is('[') {
		p.readGateway(doc.member("code"))
		p.readDetails(details)
	}
	p.readFault(fault)
	p.say(description.text(maxMessage))
	p.say(message.text(maxMessage))
	if fault.is('"') && doc.member("timestamp") == nil { // Spring Boot has the status's phrase there
		p.sayError(fault)
	}
}

// say fills the message, unless there is one.
func (p *document) say(message string) {
	if p.Detail == "" {
		p.Detail = message
	}
}

// sayError reads {"error": "…"}: a name, as OAuth 2.0 has it, or a text for people.
func (p *document) sayError(fault value) {
	text := fault.text(maxMessage)
	if isName(text) && text == strings.ToLower(text) {
		p.because(text)
		return
	}
	p.say(text)
}

// because fills the reason, unless there is one. It is the peer's word as it stands, whatever its case:
// that is what the peer's documentation says.
func (p *document) because(reason string) {
	if p.Reason == "" && len(reason) <= maxName {
		p.Reason = reason
	}
}

// isName tells the name of an error from a sentence.
func isName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}

// readForeignCode reads a text that is no code of ours: upper case is gRPC's, the rest is a reason.
func (p *document) readForeignCode(v value) {
	text := v.text(maxName)
	switch {
	case p.Code != OK || text == OK.String():
	case v.upperCode() != OK:
		p.Code = v.upperCode()
	case isName(text):
		p.because(text)
	}
}

// upperCode reads a code as google.rpc.Code spells it, such as "NOT_FOUND".
func (v value) upperCode() Code {
	text := v.text(maxName)
	switch {
	case text != strings.ToUpper(text):
		return OK
	case text == "CANCELLED":
		return Canceled
	}
	code, err := ParseCode(strings.ToLower(text))
	if err != nil {
		return OK
	}
	return code
}

// readGateway reads the number that gRPC gateways send: {"code":5,"message":"…","details":[]}.
func (p *document) readGateway(code value) {
	if n, ok := code.number(); ok && p.Code == OK && n >= 1 && n <= float64(Unauthenticated) && n == float64(Code(n)) {
		p.Code = Code(n)
	}
}

// readFault reads {"error": {…}}, as Google's APIs and many others write it.
func (p *document) readFault(fault value) {
	for name, v := range fault.members() {
		switch string(name) {
		case "status":
			if p.Code == OK {
				p.Code = v.upperCode()
			}
		case "message":
			p.say(v.text(maxMessage))
		case "code":
			if p.Code == OK {
				p.Code = v.code()
			}
			p.readForeignCode(v)
		case "details":
			p.readDetails(v)
		case "errors": // Google's older APIs
			for each := range v.elements() {
				if reason := each.member("reason").text(maxName); p.Reason == "" && reason != "" {
					p.Reason, p.Domain = reason, each.member("domain").text(maxName)
				}
			}
		}
	}
}

// readDetails reads those details of google.rpc that have a place in an Error. Connect sends their
// JSON form in a member of its own.
func (p *document) readDetails(details value) {
	for detail := range details.elements() {
		kind, body := detail.member("@type").text(maxURI), detail
		if kind == "" {
			kind, body = detail.member("type").text(maxURI), detail.member("debug")
		}
		switch kind[strings.LastIndexByte(kind, '/')+1:] {
		case "google.rpc.ErrorInfo":
			if reason := body.member("reason").text(maxName); reason != "" {
				p.Reason, p.Domain, p.Metadata = reason, body.member("domain").text(maxName), body.member("metadata").metadata()
			}
		case "google.rpc.RetryInfo":
			if wait, err := time.ParseDuration(body.member("retryDelay").text(maxName)); err == nil && p.RetryAfter == 0 {
				p.RetryAfter = max(wait, 0)
			}
		case "google.rpc.BadRequest":
			p.addViolations(body.member("fieldViolations").violations())
		case "google.rpc.LocalizedMessage":
			p.say(body.member("message").text(maxMessage))
		}
	}
}

// traceID takes the trace id out of a traceparent, which ASP.NET sends.
func traceID(text string) string {
	if parts := strings.Split(text, "-"); len(parts) == 4 && len(parts[0]) == 2 && len(parts[1]) == 32 && isHex(parts[1]) {
		return parts[1]
	}
	return text
}

func isHex(text string) bool {
	for i := range len(text) {
		if unhex(text[i]) > 15 {
			return false
		}
	}
	return text != ""
}
