package errors

import (
	"bytes"
	"cmp"
	"math"
	"net/url"
	"strings"
	"time"
)

// MaxProblemBytes is how much of a response's body [DecodeProblem] looks at: a longer document is not
// read, and the status alone decides. Callers need not read more than one byte beyond it.
const MaxProblemBytes = 64 << 10

// What a document may hold, either way: what is longer is cut, what is more is left out.
const (
	maxMessage    = 4 << 10 // bytes of a message, a violation's detail or a value of metadata
	maxURI        = 2 << 10 // bytes of a URI or a pointer
	maxTitle      = 1 << 10 // bytes of a title
	maxName       = 256     // bytes of a reason, a domain, a trace id or a key
	maxMetadata   = 64      // pairs of metadata, and unknown members
	maxViolations = 1000
)

// A Response is what [DecodeProblem] needs of an HTTP response that reports a failure.
type Response struct {
	// Status is the HTTP status. Zero: the document's member status, for a document that was kept
	// without its response (RFC 9457, section 3.1.2).
	Status int
	// Body is the body, which need not be a problem document, or complete, or there at all.
	Body []byte
	// URL is that of the request, to which relative URIs in the document refer. Nil: they stay as
	// they are.
	URL *url.URL
	// RetryAfter is the wait that the header Retry-After asks for. Zero: none. A wait in the document,
	// which is not rounded to seconds, goes before it.
	RetryAfter time.Duration
	// RetryExhausted says that the header Retry-Exhausted is there.
	RetryExhausted bool
}

// DecodeProblem returns the error that a response reports. It never fails: what it cannot read, the
// status decides. It understands our own documents (with every member, known or not) and RFC 9457
// documents of others, and it reads what Google's APIs, gRPC gateways, Connect, Twirp, Spring Boot,
// ASP.NET, FastAPI, OAuth 2.0 and plain {"error": …} or {"message": …} say about code, reason,
// message, violations and wait.
//
// The result is remote: errors.Is finds the code and the definition, but nothing that the peer said
// reaches our own callers unless it is passed on; see [Local] and [PassOn]. What the peer sent is
// bounded: texts in length, lists in count, nesting in depth.
func DecodeProblem(r Response) *Error {
	both := new(struct {
		Error
		details
	})
	e := &both.Error
	e.more, e.remote = &both.details, true
	var p document
	p.read(r.Body)
	p.settle(r.Status)
	p.resolve(r.URL)
	e.code, e.message = p.Code, p.Detail
	if isFailure(p.Status) {
		e.status = uint16(p.Status)
	}
	if p.RetryMarked {
		e.retry = markAs(p.Retry)
	}
	both.details = details{
		kind: p.Type, title: p.Title, instance: p.Instance, reason: p.Reason, domain: p.Domain,
		retryAfter: cmp.Or(p.RetryAfter, max(r.RetryAfter, 0)), exhausted: p.RetryExhausted || r.RetryExhausted,
		traceID: p.TraceID, violations: p.Violations, metadata: p.Metadata, unknown: p.Unknown,
	}
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

// UnmarshalJSON reads a document as [DecodeProblem] does, without what a response says beside it. A
// member that is not there leaves its field at zero. A value that is no object is an error.
func (p *Problem) UnmarshalJSON(body []byte) error {
	if string(body) == "null" {
		return nil // the convention of encoding/json
	}
	var d document
	if !d.read(body) {
		return New("unmarshal problem: not a JSON object of at most 64 KiB, nested at most 64 deep")
	}
	d.settle(d.Status)
	*p = d.Problem
	return nil
}

// document is a Problem that is being read.
type document struct {
	Problem
	retryable mark // what the member retryable says
}

// read fills p with what the document says; false if it cannot be read.
func (p *document) read(body []byte) bool {
	if len(body) > MaxProblemBytes {
		return false
	}
	doc := parse(body, maxDepth)
	if !doc.is('{') {
		return false
	}
	ours := false
	for name, v := range doc.members() {
		switch string(name) {
		case "type":
			p.Type = v.text(maxURI)
		case "title":
			p.Title = v.text(maxTitle)
		case "status":
			p.Status = v.status()
		case "detail":
			p.Detail = v.text(maxMessage)
		case "instance":
			p.Instance = v.text(maxURI)
		case "code":
			p.Code = v.code()
		case "reason":
			p.Reason = v.text(maxName)
		case "domain":
			p.Domain = v.text(maxName)
		case "retryable":
			p.retryable, ours = v.mark()
		case "retry":
			p.Retry, p.RetryMarked = parseRetry(v.text(maxName))
		case "retry_after_ms":
			p.RetryAfter = v.milliseconds()
		case "retry_exhausted":
			p.RetryExhausted, _ = v.flag()
		case "trace_id":
			p.TraceID = v.text(maxName)
		case "errors":
			p.Violations = v.violations()
		case "metadata":
			p.Metadata = v.metadata()
		default:
			p.keep(string(name), v)
		}
	}
	if !ours || p.Code == OK {
		p.readForeign(doc)
	}
	if p.Type == "about:blank" { // what no type means, too (RFC 9457, section 4.2.1)
		p.Type = ""
	}
	if id, ok := strings.CutPrefix(p.Instance, "urn:trace:"); ok && id == p.TraceID {
		p.Instance = ""
	}
	return true
}

// keep adds an unknown member, whose bytes are somebody else's.
func (p *document) keep(name string, v value) {
	if len(name) > maxName {
		return
	}
	if _, again := p.Unknown[name]; !again && len(p.Unknown) >= maxMetadata {
		return
	}
	if p.Unknown == nil {
		p.Unknown = make(map[string][]byte)
	}
	p.Unknown[name] = bytes.ToValidUTF8(v, []byte("\ufffd"))
}

// settle lets the status decide what the document does not say. A document without the member retry
// is an older sender's, or somebody else's: what retryable says against the table is then a mark.
func (p *document) settle(status int) {
	if isFailure(status) {
		p.Status = status
	}
	if p.Code == OK {
		p.Code = codeOfStatus(p.Status)
	}
	if p.RetryMarked {
		return
	}
	p.Retry = p.Code.Retry()
	if said, ok := p.retryable.retry(); ok && (said == RetryAlways) != (p.Retry == RetryAlways) {
		p.Retry, p.RetryMarked = said, true
	}
}

func parseRetry(text string) (Retry, bool) {
	for r := RetryNever; r <= RetryAlways; r++ {
		if r.String() == text {
			return r, true
		}
	}
	return RetryNever, false
}

// resolve makes relative URIs absolute (RFC 9457, sections 3.1.1 and 3.1.5).
func (p *document) resolve(base *url.URL) {
	if base == nil {
		return
	}
	for _, uri := range []*string{&p.Type, &p.Instance} {
		if *uri == "" || hasScheme(*uri) {
			continue
		}
		if u, err := base.Parse(*uri); err == nil {
			if u.User == base.User {
				u.User = nil // the URL's credentials are ours
			}
			*uri = u.String()
		}
	}
}

// hasScheme knows an absolute URI by its scheme (RFC 3986, section 3.1).
func hasScheme(uri string) bool {
	i := strings.IndexAny(uri, ":/?#")
	return i > 0 && uri[i] == ':'
}

// code lets a body only name an error's code; anything else is [OK], which stands for none.
func (v value) code() Code {
	if !v.is('"') {
		return OK
	}
	text := unquoteName(v)
	for code := range table {
		if table[code].name == string(text) {
			return Code(code)
		}
	}
	if string(text) == "cancelled" { // google.rpc's spelling
		return Canceled
	}
	return OK
}

func (v value) mark() (said mark, ok bool) {
	retryable, ok := v.flag()
	if !ok {
		return unmarked, false
	}
	return markOf(retryable), true
}

func (v value) status() int {
	n, _ := v.number()
	if status := int(n); float64(status) == n && status >= 100 && status <= 599 {
		return status
	}
	return 0
}

func (v value) milliseconds() time.Duration {
	ms, _ := v.number()
	return duration(ms * float64(time.Millisecond))
}

// duration bounds what may be infinite.
func duration(ns float64) time.Duration {
	switch {
	case !(ns > 0):
		return 0
	case ns >= math.MaxInt64:
		return math.MaxInt64
	}
	return time.Duration(ns)
}

func (v value) metadata() map[string]string {
	var metadata map[string]string
	for name, text := range v.members() {
		if len(name) > maxName || !text.is('"') {
			continue
		}
		if _, again := metadata[string(name)]; !again && len(metadata) >= maxMetadata {
			continue
		}
		if metadata == nil {
			metadata = make(map[string]string)
		}
		metadata[string(name)] = text.text(maxMessage)
	}
	return metadata
}
