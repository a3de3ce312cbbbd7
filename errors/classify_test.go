package errors_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
)

// loop is a wrapper; with itself as next, a chain that leads back to itself.
type loop struct{ next error }

func (l *loop) Error() string { return "loop" }
func (l *loop) Unwrap() error { return l.next }

func cyclic() error {
	l := &loop{}
	l.next = l
	return l
}

// own is a type that knows its code.
type own struct{}

func (own) Error() string     { return "own" }
func (own) Code() errors.Code { return errors.Aborted }

func deep(err error, n int) error {
	for range n {
		err = &loop{next: err}
	}
	return err
}

// joined is a flat join of n errors, of which err is the last.
func joined(err error, n int) error {
	list := make([]error, n)
	for i := range list {
		list[i] = errors.Unavailable.New("x")
	}
	list[n-1] = err
	return errors.Join(list...)
}

// nested is what errs = errors.Join(errs, err) makes in a loop.
func nested(err error, n int) error {
	var errs error
	for range n {
		errs = errors.Join(errs, err)
	}
	return errs
}

func TestCodeOf(t *testing.T) {
	var none *errors.Error
	for _, c := range []struct {
		name string
		err  error
		want errors.Code
	}{
		{"nil", nil, errors.OK},
		{"without a code", io.EOF, errors.Unknown},
		{"a code", errors.NotFound, errors.NotFound},
		{"OK as an error", errors.OK, errors.Unknown},
		{"OK made into an error", errors.OK.New("x"), errors.Unknown},
		{"a code outside the table", errors.Code(77).New("x"), errors.Unknown},
		{"an Error", errors.NotFound.New("x"), errors.NotFound},
		{"a nil *Error", none, errors.Unknown},
		{"a wrapped nil *Error", fmt.Errorf("x: %w", none), errors.Unknown},
		{"a defined error", ErrOutOfStock, errors.FailedPrecondition},
		{"made from a defined error", ErrOutOfStock.New("x"), errors.FailedPrecondition},
		{"wrapped by fmt", deep(errors.NotFound.New("x"), 5), errors.NotFound},
		{"the outermost code", errors.Internal.Wrap(errors.NotFound.New("x"), ""), errors.Internal},
		{"a type of one's own", fmt.Errorf("x: %w", own{}), errors.Aborted},
		{"canceled", context.Canceled, errors.Canceled},
		{"deadline exceeded", context.DeadlineExceeded, errors.DeadlineExceeded},
		{"a deadline in a url.Error", &url.Error{Op: "Get", URL: "/", Err: context.DeadlineExceeded}, errors.DeadlineExceeded},
		{"a DNS error, whose Unwrap gives nil", &net.DNSError{Err: "no such host"}, errors.Unknown},
		{"joined", errors.Join(errors.NotFound.New(""), errors.Unavailable.New(""), errors.InvalidArgument.New("")), errors.Unavailable},
		{"joined with an uncoded one", errors.Join(errors.NotFound.New(""), io.EOF), errors.Unknown},
		{"two %w", fmt.Errorf("%w: %w", errors.NotFound, errors.Aborted), errors.Aborted},
		{"a passed deadline of a connection", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, errors.DeadlineExceeded},
		{"a bulk operation's worst", joined(errors.DataLoss, 2000), errors.DataLoss},
		{"a cycle", cyclic(), errors.Unknown},
		{"a cycle in a join", errors.Join(cyclic(), errors.NotFound), errors.Unknown},
		{"absurdly deep", deep(errors.NotFound, 100_000), errors.Unknown},
		{"deep", deep(errors.NotFound, 500), errors.NotFound},
	} {
		if got := errors.CodeOf(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// timeout stands for the errors of net, which are deadlines without being context's.
type timeout struct{}

func (timeout) Error() string        { return "i/o timeout" }
func (timeout) Is(target error) bool { return target == context.DeadlineExceeded }

func TestCodeOfKnowsWhoStandsForADeadline(t *testing.T) {
	err := &net.OpError{Op: "dial", Err: timeout{}}
	if got := errors.CodeOf(err); got != errors.DeadlineExceeded {
		t.Errorf("got %v", got)
	}
}

// Whether a missing file or row is the caller's fault, ours, or nobody's, only the code that asked knows.
func TestErrorsOfTheStandardLibraryAreNotGuessed(t *testing.T) {
	for _, err := range []error{
		fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, sql.ErrNoRows, io.EOF, io.ErrUnexpectedEOF, http.ErrNoCookie, errors.ErrUnsupported,
		syscall.ENOENT, syscall.ECONNREFUSED, &strconv.NumError{}, &json.SyntaxError{}, &http.MaxBytesError{}, &fs.PathError{Err: fs.ErrNotExist},
	} {
		if got := errors.CodeOf(fmt.Errorf("x: %w", err)); got != errors.Unknown || errors.Is(err, errors.NotFound) {
			t.Errorf("%T %v: %v", err, err, got)
		}
	}
}

func TestTheMostSevereOfTwoJoinedErrorsDecides(t *testing.T) {
	order := []errors.Code{
		errors.DataLoss, errors.Internal, errors.Unknown, errors.Unimplemented, errors.Unavailable,
		errors.DeadlineExceeded, errors.ResourceExhausted, errors.Aborted, errors.Unauthenticated,
		errors.PermissionDenied, errors.FailedPrecondition, errors.AlreadyExists, errors.NotFound,
		errors.OutOfRange, errors.InvalidArgument, errors.Canceled,
	}
	for i, severe := range order {
		for _, mild := range order[i:] {
			for _, err := range []error{errors.Join(severe, mild), errors.Join(mild, severe)} {
				if got := errors.CodeOf(err); got != severe {
					t.Errorf("%v and %v: %v", severe, mild, got)
				}
			}
		}
	}
}

func TestIsFindsWhatCodeOfPassesOver(t *testing.T) {
	err := errors.Internal.Wrap(fmt.Errorf("load: %w", ErrOutOfStock.New("x")), "")
	for _, target := range []error{errors.Internal, errors.FailedPrecondition, ErrOutOfStock} {
		if !errors.Is(err, target) {
			t.Errorf("Is(err, %v) = false", target)
		}
	}
	for _, target := range []error{errors.NotFound, io.EOF} {
		if errors.Is(err, target) {
			t.Errorf("Is(err, %v) = true", target)
		}
	}
}

func TestRetryOf(t *testing.T) {
	yes, no := errors.Unavailable.New("x"), errors.NotFound.New("x")
	for _, c := range []struct {
		name string
		err  error
		want errors.Retry
	}{
		{"nil", nil, errors.RetryNever},
		{"the table", yes, errors.RetryAlways},
		{"an uncoded error", io.EOF, errors.RetryNever},
		{"a deadline", context.DeadlineExceeded, errors.RetryIdempotent},
		{"a mark against the table", no.WithRetryable(true), errors.RetryAlways},
		{"a mark on a foreign error", errors.MarkRetryable(io.EOF, true), errors.RetryAlways},
		{"an inner mark is inherited", errors.Internal.Wrap(fmt.Errorf("x: %w", no.WithRetryable(true)), ""), errors.RetryAlways},
		{"the outermost mark decides", errors.MarkRetryable(no.WithRetryable(true), false), errors.RetryNever},
		{"an inner code does not decide", errors.Internal.Wrap(yes, ""), errors.RetryNever},
		{"joined: all", errors.Join(yes, yes), errors.RetryAlways},
		{"joined: one not", errors.Join(yes, no), errors.RetryNever},
		{"joined: one only if idempotent", errors.Join(yes, errors.DeadlineExceeded), errors.RetryIdempotent},
		{"joined: one marked, one not retryable", errors.Join(errors.MarkRetryable(io.EOF, true), no), errors.RetryNever},
		{"joined: all marked", errors.Join(errors.MarkRetryable(io.EOF, true), no.WithRetryable(true)), errors.RetryAlways},
		{"a code above a join that holds a positive mark", errors.Unavailable.Wrap(errors.Join(errors.MarkRetryable(io.EOF, true), no), ""), errors.RetryAlways},
		{"a code above a join that holds a negative mark", errors.Unavailable.Wrap(errors.Join(yes, yes.WithRetryable(false)), ""), errors.RetryNever},
		{"joined: many", joined(yes, 2000), errors.RetryAlways},
		{"joined one by one", nested(yes, 60), errors.RetryAlways},
		{"a mark under many joins", nested(errors.MarkRetryable(io.EOF, true), 60), errors.RetryAlways},
		{"a chain that ends in nil", &net.DNSError{Err: "x"}, errors.RetryNever},
		{"a code above a join decides", errors.Unavailable.Wrap(errors.Join(yes, no), ""), errors.RetryAlways},
		{"a cycle", cyclic(), errors.RetryNever},
	} {
		if got := errors.RetryOf(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := errors.Retryable(c.err); got != (c.want == errors.RetryAlways) {
			t.Errorf("%s: Retryable = %v", c.name, got)
		}
	}
}

func TestRetryAfterIsTheOutermostAndOfAJoinTheLongest(t *testing.T) {
	short, long := errors.Unavailable.New("").WithRetryAfter(time.Second), errors.Unavailable.New("").WithRetryAfter(time.Minute)
	for _, c := range []struct {
		name string
		err  error
		want time.Duration
	}{
		{"nil", nil, 0},
		{"none", io.EOF, 0},
		{"wrapped", errors.Internal.Wrap(fmt.Errorf("x: %w", short), ""), time.Second},
		{"outermost", short.WithCause(long), time.Second},
		{"joined", errors.Join(short, fmt.Errorf("x: %w", long)), time.Minute},
		{"joined the other way", errors.Join(long, fmt.Errorf("x: %w", short)), time.Minute},
		{"negative", short.WithRetryAfter(-1), 0},
	} {
		if got := errors.RetryAfter(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestExhaustedIsInheritedAndSaysNothingOfTheFault(t *testing.T) {
	err := errors.Internal.Wrap(fmt.Errorf("x: %w", errors.MarkExhausted(errors.Unavailable.New(""))), "")
	if !errors.Exhausted(joined(errors.MarkExhausted(io.EOF), 2000)) {
		t.Error("the mark of the last of many is not found")
	}
	if !errors.Exhausted(err) || errors.Exhausted(io.EOF) || errors.Exhausted(nil) {
		t.Error("the mark is not found, or found where it is not")
	}
	if !errors.Retryable(errors.MarkExhausted(errors.Unavailable.New(""))) {
		t.Error("an exhausted unavailable is still retryable")
	}
}

func TestMarksOfNilAreNil(t *testing.T) {
	for name, err := range map[string]error{
		"MarkRetryable": errors.MarkRetryable(nil, true), "MarkExhausted": errors.MarkExhausted(nil),
		"PassOn": errors.PassOn(nil), "Local": errors.Local(nil), "Wrap": errors.Internal.Wrap(nil, "x"),
		"Wrapf": errors.Internal.Wrapf(nil, "x"), "Defined.Wrap": ErrOutOfStock.Wrap(nil, "x"), "Defined.Wrapf": ErrOutOfStock.Wrapf(nil, "x"),
	} {
		if err != nil {
			t.Errorf("%s of nil is %#v", name, err)
		}
	}
}

func TestCodeOfThroughFiveWrapsDoesNotAllocate(t *testing.T) {
	err := deep(errors.NotFound.New("x"), 5)
	if n := testing.AllocsPerRun(100, func() { errors.CodeOf(err) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
