package errors_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/backend-platform/sdk/errors"
)

// answer writes err as a server does that knows nothing but this package.
func answer(w http.ResponseWriter, err error, traceID string) {
	p := errors.NewProblem(err)
	if traceID != "" {
		p.TraceID = traceID
	}
	w.Header().Set("Content-Type", errors.ContentType)
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	if p.RetryExhausted {
		w.Header().Set("Retry-Exhausted", "1")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.AppendJSON(nil))
}

// ask reads the answer as a client does.
func ask(t *testing.T, url string) *errors.Error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	wait, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return errors.DecodeProblem(errors.Response{
		Status: response.StatusCode, Body: body, URL: response.Request.URL,
		RetryAfter: time.Duration(wait) * time.Second, RetryExhausted: response.Header.Get("Retry-Exhausted") != "",
	})
}

// public is everything that survives the wire.
type public struct {
	Code                           errors.Code
	Status                         int
	Type, Title, Message, Instance string
	Reason, Domain, TraceID        string
	Violations                     []errors.Violation
	Metadata                       map[string]string
	Unknown                        map[string][]byte
	RetryAfter                     time.Duration
	Exhausted                      bool
	Retry                          errors.Retry
	RetryUnder                     [16]errors.Retry // by each code that the error may be wrapped in
}

// publicOf looks at e, which may be wrapped or marked as outer.
func publicOf(outer error, e *errors.Error) public {
	p := public{
		Code: errors.CodeOf(outer), Status: e.Status(), Type: e.Type(), Title: e.Title(), Message: e.Message(), Instance: e.Instance(),
		Reason: errors.ReasonOf(outer), Domain: e.Domain(), TraceID: e.TraceID(), Violations: e.Violations(), Metadata: e.Metadata(),
		Unknown: e.Unknown(), RetryAfter: errors.RetryAfter(outer), Exhausted: errors.Exhausted(outer), Retry: errors.RetryOf(outer),
	}
	for i, code := range errors.Codes() {
		p.RetryUnder[i] = errors.RetryOf(code.Wrap(outer, ""))
	}
	return p
}

// dice make random errors.
type dice struct{ *rand.Rand }

func (d dice) one(in int) bool { return d.IntN(in) == 0 }

func (d dice) text(longest int) string {
	alphabet := []rune("aZ9 \"\\/\n\t<>&/ü\u2028\U0001F600\x00\x7f\ufffd")
	s := make([]rune, d.IntN(longest+1))
	for i := range s {
		s[i] = alphabet[d.IntN(len(alphabet))]
	}
	return string(s)
}

func (d dice) json(depth int) string {
	switch d.IntN(6 - 2*min(depth, 1)) {
	case 0:
		return strconv.Quote(fmt.Sprint("t", d.IntN(100)))
	case 1:
		return strconv.FormatFloat(d.NormFloat64()*1e6, 'g', -1, 64)
	case 2:
		return "null"
	case 3:
		return "true"
	case 4:
		return "[" + d.json(depth+1) + "," + d.json(depth+1) + "]"
	}
	return `{"code":` + d.json(depth+1) + `,"error":{"status":` + d.json(depth+1) + `}}`
}

// error makes an error of everything that survives the wire, and the error inside that says it.
func (d dice) error() (said *errors.Error, outer error) {
	e := errors.Codes()[d.IntN(16)].New(d.text(12))
	switch d.IntN(5) {
	case 0:
		e = ErrOutOfStock.New(d.text(12))
	case 1:
		e = errTeapot.New(d.text(12))
	case 2:
		e = e.WithReason("orders", []string{"OUT_OF_STOCK", "OTHER", "lower"}[d.IntN(3)])
	}
	if d.one(2) {
		e = e.WithRetryable(d.one(2))
	}
	if d.one(2) {
		e = e.WithRetryAfter(time.Duration(1+d.IntN(1e6)) * time.Millisecond)
	}
	if d.one(4) {
		e = e.WithStatus(400 + d.IntN(200))
	}
	for range d.IntN(3) {
		e = e.WithViolation(d.text(8), d.text(8), d.text(8)).WithMetadata(d.text(8), d.text(8))
	}
	if d.one(2) {
		e = e.WithCause(d.cause())
	}
	outer = e
	for range d.IntN(3) {
		switch d.IntN(4) {
		case 0:
			outer = errors.MarkRetryable(outer, d.one(2))
		case 1:
			outer = errors.MarkExhausted(outer)
		case 2:
			outer = fmt.Errorf("private: %w", outer)
		case 3:
			outer = errors.PassOn(outer)
		}
	}
	return e, outer
}

// cause makes what may lie below: its marks, waits and exhaustion are inherited.
func (d dice) cause() error {
	err := error(errors.Codes()[d.IntN(16)].New("private"))
	if d.one(3) {
		err = errors.MarkRetryable(err, d.one(2))
	}
	if d.one(4) {
		err = errors.MarkExhausted(err)
	}
	if d.one(4) {
		err = errors.Join(err, io.EOF)
	}
	return err
}

var errTeapot = catalogue.Define(errors.Definition{
	Code: errors.Unimplemented, Reason: "TEAPOT", Title: "It is a teapot", Status: 418,
})

func TestRoundTripOverHTTPKeepsAllThatIsPublic(t *testing.T) {
	var sent error
	var traceID string
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, sent, traceID) }))
	defer first.Close()
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, fmt.Errorf("ask the first: %w", errors.PassOn(ask(t, first.URL))), traceID)
	}))
	defer second.Close()

	d := dice{rand.New(rand.NewPCG(1, 2))}
	for range 1000 {
		said, outer := d.error()
		sent, traceID = outer, ""
		if d.one(2) {
			traceID = fmt.Sprintf("%016x%016x", d.Uint64(), d.Uint64())
		}
		want := publicOf(outer, said)
		want.TraceID = traceID
		for hop, url := range []string{first.URL, second.URL} {
			got := ask(t, url)
			if !errors.Is(got, want.Code) || !got.Remote() {
				t.Fatalf("hop %d: errors.Is does not find %v in %v", hop+1, want.Code, got)
			}
			for _, def := range []*errors.DefinedError{ErrOutOfStock, errTeapot} {
				if errors.Is(got, def) != errors.Is(said, def) {
					t.Fatalf("hop %d: errors.Is(%v, %v) is not as before: %v", hop+1, got, def, said)
				}
			}
			if diff := cmp.Diff(want, publicOf(got, got), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("hop %d of %+v:\n%s\n%s", hop+1, outer, errors.NewProblem(outer).AppendJSON(nil), diff)
			}
		}
	}
}

func TestRoundTripKeepsWhatOnlyADocumentCanHave(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(3, 4))}
	for range 1000 {
		p := errors.Problem{
			Type: "https://errors.example.com/" + d.text(5), Title: "title" + d.text(8), Status: 400 + d.IntN(200), Detail: d.text(12),
			Instance: "/occurrences/1", Code: errors.Codes()[d.IntN(16)], Reason: d.text(5), Domain: d.text(5),
			Retry: errors.Retry(d.IntN(4)), RetryMarked: true, RetryAfter: time.Duration(d.IntN(1e6)) * time.Millisecond,
			RetryExhausted: d.one(2), TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Metadata: map[string]string{d.text(5): d.text(5)},
			Violations: []errors.Violation{{Pointer: d.text(5), Detail: d.text(5), Reason: d.text(5)}},
			Unknown: map[string][]byte{
				"error": []byte(d.json(0)), "message": []byte(d.json(0)), "details": []byte(d.json(0)), "violations": []byte(d.json(0)),
				"traceId": []byte(d.json(0)), "x": []byte(d.json(0)),
			},
		}
		if d.one(2) {
			p.Retry, p.RetryMarked = p.Code.Retry(), false
		}
		body := p.AppendJSON(nil)
		got := errors.DecodeProblem(errors.Response{Status: p.Status, Body: body})
		if diff := cmp.Diff(&p, errors.NewProblem(errors.PassOn(got)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\n%s", body, diff)
		}
		var again errors.Problem
		if err := again.UnmarshalJSON(body); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\n%s", body, diff)
		}
	}
}

func TestARetryMarkSurvivesWhateverTheTableSays(t *testing.T) {
	for _, code := range errors.Codes() {
		for name, err := range map[string]error{
			"unmarked":        code.New(""),
			"final":           code.New("").WithRetryable(false),
			"retryable":       code.New("").WithRetryable(true),
			"marked outside":  errors.MarkRetryable(code, false),
			"marked below":    code.Wrap(errors.MarkRetryable(io.EOF, true), ""),
			"marked and more": errors.MarkRetryable(code.New("").WithRetryable(true), false),
		} {
			body := errors.NewProblem(err).AppendJSON(nil)
			got := errors.DecodeProblem(errors.Response{Status: code.HTTPStatus(), Body: body})
			for _, outer := range errors.Codes() {
				if want, got := errors.RetryOf(outer.Wrap(err, "")), errors.RetryOf(outer.Wrap(got, "")); got != want {
					t.Errorf("%v, %s, wrapped as %v: %v, want %v: %s", code, name, outer, got, want, body)
				}
			}
			if want, got := errors.RetryOf(err), errors.RetryOf(got); got != want {
				t.Errorf("%v, %s: %v, want %v: %s", code, name, got, want, body)
			}
		}
	}
}

// One error stands for what was joined; what the join said of another try is then a mark.
func TestTheAdviceOfAJoinSurvives(t *testing.T) {
	err := errors.Join(errors.Unavailable.New(""), errors.DeadlineExceeded.New(""))
	got := errors.DecodeProblem(errors.Response{Status: 503, Body: errors.NewProblem(err).AppendJSON(nil)})
	if want, got := errors.RetryOf(err), errors.RetryOf(got); got != want || got != errors.RetryIdempotent {
		t.Errorf("%v, want %v", got, want)
	}
}

// A peer's word that its call may be repeated is none about the call to us, whatever code of ours is around it;
// that it may not be is one. Within the process both count.
func TestAPeersMarkIsAboutTheCallToIt(t *testing.T) {
	peer := func(mark string) error {
		return errors.DecodeProblem(errors.Response{Status: 500, Body: []byte(`{"code":"internal","retryable":false,"retry":"` + mark + `"}`)})
	}
	for name, test := range map[string]struct {
		err          error
		inside, wire errors.Retry
	}{
		"may, in ours":            {errors.Internal.Wrap(peer("always"), ""), errors.RetryAlways, errors.RetryNever},
		"may, in a wrapped ours":  {fmt.Errorf("load: %w", errors.Internal.Wrap(fmt.Errorf("get: %w", peer("always")), "")), errors.RetryAlways, errors.RetryNever},
		"may, in a join in ours":  {errors.Internal.Wrap(errors.Join(peer("always"), peer("always")), ""), errors.RetryAlways, errors.RetryNever},
		"may if idempotent":       {errors.NotFound.Wrap(peer("idempotent"), ""), errors.RetryIdempotent, errors.RetryNever},
		"may not, in ours":        {errors.Unavailable.Wrap(peer("never"), ""), errors.RetryNever, errors.RetryNever},
		"may, and we say so, too": {errors.MarkRetryable(errors.Internal.Wrap(peer("always"), ""), true), errors.RetryAlways, errors.RetryAlways},
		"may, passed on":          {errors.PassOn(peer("always")), errors.RetryAlways, errors.RetryAlways},
		"may, joined, passed on":  {errors.PassOn(errors.Join(peer("always"), peer("always"))), errors.RetryAlways, errors.RetryAlways},
		"may, bare":               {peer("always"), errors.RetryAlways, errors.RetryNever},
	} {
		if got := errors.RetryOf(test.err); got != test.inside {
			t.Errorf("%s: RetryOf = %v, want %v", name, got, test.inside)
		}
		if got := errors.NewProblem(test.err).Retry; got != test.wire {
			t.Errorf("%s: the document says %v, want %v", name, got, test.wire)
		}
	}
}

// A sender that does not know the member retry says by retryable what it can.
func TestDocumentsWithoutTheMemberRetryAreRead(t *testing.T) {
	for body, want := range map[string]errors.Retry{
		`{"code":"unavailable","retryable":true}`:                        errors.RetryAlways,
		`{"code":"unavailable","retryable":false}`:                       errors.RetryNever,
		`{"code":"not_found","retryable":true}`:                          errors.RetryAlways,
		`{"code":"deadline_exceeded","retryable":false}`:                 errors.RetryIdempotent,
		`{"code":"deadline_exceeded","retryable":true}`:                  errors.RetryAlways,
		`{"code":"aborted","retryable":false}`:                           errors.RetryOperation,
		`{"code":"aborted","retryable":false,"retry":"sometimes"}`:       errors.RetryOperation,
		`{"code":"aborted","retryable":false,"retry":7}`:                 errors.RetryOperation,
		`{"code":"aborted","retryable":true,"retry":"never"}`:            errors.RetryNever,
		`{"code":"deadline_exceeded","retryable":null}`:                  errors.RetryIdempotent,
		`{"retryable":true}`:                                             errors.RetryAlways,
		`{"code":"internal","retry":"idempotent"}`:                       errors.RetryIdempotent,
		`{"code":"internal","retry":"operation","retry":"never"}`:        errors.RetryNever,
		`{"code":"internal","retryable":false,"Retry":"always"}`:         errors.RetryNever,
		`{"code":"resource_exhausted","retryable":"false","retry":null}`: errors.RetryAlways,
	} {
		if got := errors.RetryOf(errors.DecodeProblem(errors.Response{Status: 500, Body: []byte(body)})); got != want {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
}
