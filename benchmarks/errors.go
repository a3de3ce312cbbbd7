package main

import (
	"encoding/json"
	stderrors "errors"
	"fmt"
	"runtime"
	"time"

	crdb "github.com/cockroachdb/errors"
	"github.com/moogar0880/problems"
	"github.com/samber/oops"
	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
)

// sinks let results escape, so that the compiler leaves the work in.
var sinks struct {
	err    error
	bytes  []byte
	code   errors.Code
	frames int
	is     bool
	any    any
	logger *zap.Logger
}

func keep(err error) { sinks.err = err }

func errorsRows() []row {
	return []row{newErrorRow(), newStackRow(), codeOfRow(), encodeRow(), decodeRow()}
}

// newErrorRow makes errors as the READMEs of the peers do: New for cockroachdb/errors, a builder with a code for oops.
func newErrorRow() row {
	return row{name: "errors: a new error with a code", unit: "error", contenders: []contender{
		simple("sdk", "a not_found, which has no stack", func() { keep(errors.NotFound.New("The order does not exist.")) }),
		simple("sdk, with a stack", "an internal error, which has one", func() { keep(errors.Internal.New("The order is broken.")) }),
		simple("cockroachdb/errors", "always with a stack, as its documentation advises", func() { keep(crdb.New("The order does not exist.")) }),
		simple("samber/oops", "with a code, as its README shows; always with a stack", func() { keep(oops.Code("not_found").New("The order does not exist.")) }),
		simple("errors of the standard library", "neither a code nor a stack", func() { keep(stderrors.New("The order does not exist.")) }),
	}, bars: []bar{timeWithin(0.15, "cockroachdb/errors"), allocsWithin(1)}}
}

// atDepth calls make with more frames above it than any of the contenders keeps, as in a server.
//
//go:noinline
func atDepth(n int, make func()) {
	if n == 0 {
		make()
		return
	}
	atDepth(n-1, make)
}

// callers stands where the constructor of an error does, which the compiler inlines, and capture where it looks for the
// stack: the runtime has to leave out as many frames, and to find the same.
func callers(pcs []uintptr) int { return capture(pcs) }

//go:noinline
func capture(pcs []uintptr) int { return runtime.Callers(3, pcs) }

func newStackRow() row {
	const depth = 32
	deep := func(name, note string, make func()) contender {
		return contender{name, note, func() (work, func(), error) {
			return func(n int) (took time.Duration, err error) {
				atDepth(depth, func() {
					begin := time.Now()
					for range n {
						make()
					}
					took = time.Since(begin)
				})
				return took, nil
			}, nil, nil
		}}
	}
	return row{name: "errors: a new error with a stack, 32 calls deep", unit: "error", contenders: []contender{
		deep("sdk", "", func() { keep(errors.Internal.New("The order is broken.")) }),
		deep("runtime.Callers", "the floor: the same 32 frames, past as many that are left out, into an array, and no error", func() {
			var pcs [32]uintptr
			sinks.frames = callers(pcs[:])
		}),
		deep("cockroachdb/errors", "", func() { keep(crdb.New("The order is broken.")) }),
		deep("samber/oops", "", func() { keep(oops.Code("internal").New("The order is broken.")) }),
	}, bars: []bar{timeWithin(1.3, "runtime.Callers"), allocsWithin(2)}}
}

func codeOfRow() row {
	ours, theirs := error(errors.NotFound.New("The order does not exist.")), error(oops.Code("not_found").New("The order does not exist."))
	for range 5 {
		ours, theirs = fmt.Errorf("load: %w", ours), fmt.Errorf("load: %w", theirs)
	}
	return row{name: "errors: the code of an error that is wrapped five times", unit: "error", contenders: []contender{
		simple("sdk: CodeOf", "", func() { sinks.code = errors.CodeOf(ours) }),
		simple("errors.AsType", "and the code of what it finds", func() {
			e, _ := stderrors.AsType[*errors.Error](ours)
			sinks.code = e.Code()
		}),
		simple("errors.As", "and the code of what it finds", func() {
			var e *errors.Error
			stderrors.As(ours, &e)
			sinks.code = e.Code()
		}),
		simple("sdk: Is", "errors.Is of the standard library, for a code", func() { sinks.is = errors.Is(ours, errors.NotFound) }),
		simple("samber/oops", "AsOops, and the code of what it finds", func() {
			e, _ := oops.AsOops(theirs)
			sinks.any = e.Code()
		}),
	}, bars: []bar{timeWithin(1.3, "errors.AsType"), allocsWithin(0)}}
}

// wire is the document that all encode and decode, as a struct of encoding/json.
type wire struct {
	Type       string             `json:"type"`
	Title      string             `json:"title"`
	Status     int                `json:"status"`
	Detail     string             `json:"detail"`
	Instance   string             `json:"instance"`
	Code       string             `json:"code"`
	Reason     string             `json:"reason"`
	Domain     string             `json:"domain"`
	Retryable  bool               `json:"retryable"`
	TraceID    string             `json:"trace_id"`
	Violations []errors.Violation `json:"errors"`
	Metadata   map[string]string  `json:"metadata"`
}

// extension is what wire has beyond RFC 9457, for moogar0880/problems, whose README embeds its Problem beside such members.
type extension struct {
	Code       string             `json:"code"`
	Reason     string             `json:"reason"`
	Domain     string             `json:"domain"`
	Retryable  bool               `json:"retryable"`
	TraceID    string             `json:"trace_id"`
	Violations []errors.Violation `json:"errors"`
	Metadata   map[string]string  `json:"metadata"`
}

// embedded is how the documentation of moogar0880/problems puts extensions beside its own members.
type embedded struct {
	problems.Problem
	extension
}

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

var outOfStock = errors.NewCatalogue("orders", "https://errors.example.com/orders/").Define(errors.Definition{
	Code: errors.FailedPrecondition, Reason: "OUT_OF_STOCK", Title: "Item is out of stock",
})

func theProblem() *errors.Problem {
	p := errors.NewProblem(outOfStock.New("Only 3 left.").WithViolation("#/items/0/qty", "must be at most 3", "MAX").WithMetadata("sku", "17"))
	p.TraceID = traceID
	return p
}

func encodeRow() row {
	p := theProblem()
	members := extension{p.Code.String(), p.Reason, p.Domain, false, traceID, p.Violations, p.Metadata}
	plain := wire{p.Type, p.Title, p.Status, p.Detail, "urn:trace:" + traceID, members.Code, p.Reason, p.Domain, false, traceID, p.Violations, p.Metadata}
	theirs := embedded{problems.Problem{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail, Instance: plain.Instance}, members}
	return row{name: "errors: a problem document is written", unit: "document", contenders: []contender{
		simple("sdk", "into a buffer that is used again, as the server does", func() { sinks.bytes = p.AppendJSON(sinks.bytes[:0]) }),
		simple("encoding/json", "of a struct with the same members", func() { sinks.bytes, _ = json.Marshal(plain) }),
		simple("moogar0880/problems", "embedded beside the extensions, as its examples show, by encoding/json", func() { sinks.bytes, _ = json.Marshal(theirs) }),
	}, bars: []bar{timeWithin(1, "encoding/json")}}
}

func decodeRow() row {
	body := theProblem().AppendJSON(nil)
	return row{name: "errors: a problem document is read", unit: "document", contenders: []contender{
		simple("sdk", "into an error", func() { keep(errors.DecodeProblem(errors.Response{Status: 400, Body: body})) }),
		simple("encoding/json", "into a struct with the same members; unknown ones are lost", func() {
			var p wire
			keep(json.Unmarshal(body, &p))
		}),
		simple("moogar0880/problems", "embedded beside the extensions, by encoding/json", func() {
			var p embedded
			keep(json.Unmarshal(body, &p))
		}),
	}, noBar: "the bar of problem documents is that of writing them"}
}
