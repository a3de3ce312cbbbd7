package errors_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

// The whole table, as the README shows it. A change here is a change of every service's behaviour.
var table = []struct {
	code       errors.Code
	number     uint32
	text       string
	status     int
	retry      errors.Retry
	level      slog.Level
	fault      bool
	redelivery errors.Redelivery
}{
	{errors.Canceled, 1, "canceled", 499, errors.RetryNever, slog.LevelDebug, false, errors.RedeliverOutage},
	{errors.Unknown, 2, "unknown", 500, errors.RetryNever, slog.LevelError, true, errors.RedeliverOutage},
	{errors.InvalidArgument, 3, "invalid_argument", 400, errors.RetryNever, slog.LevelInfo, false, errors.RedeliverNever},
	{errors.DeadlineExceeded, 4, "deadline_exceeded", 504, errors.RetryIdempotent, slog.LevelError, true, errors.RedeliverOutage},
	{errors.NotFound, 5, "not_found", 404, errors.RetryNever, slog.LevelInfo, false, errors.RedeliverNever},
	{errors.AlreadyExists, 6, "already_exists", 409, errors.RetryNever, slog.LevelInfo, false, errors.RedeliverNever},
	{errors.PermissionDenied, 7, "permission_denied", 403, errors.RetryNever, slog.LevelWarn, false, errors.RedeliverOutage},
	{errors.ResourceExhausted, 8, "resource_exhausted", 429, errors.RetryAlways, slog.LevelWarn, false, errors.RedeliverOutage},
	{errors.FailedPrecondition, 9, "failed_precondition", 400, errors.RetryNever, slog.LevelInfo, false, errors.RedeliverNever},
	{errors.Aborted, 10, "aborted", 409, errors.RetryOperation, slog.LevelWarn, false, errors.RedeliverLimited},
	{errors.OutOfRange, 11, "out_of_range", 400, errors.RetryNever, slog.LevelInfo, false, errors.RedeliverNever},
	{errors.Unimplemented, 12, "unimplemented", 501, errors.RetryNever, slog.LevelError, true, errors.RedeliverNever},
	{errors.Internal, 13, "internal", 500, errors.RetryNever, slog.LevelError, true, errors.RedeliverOutage},
	{errors.Unavailable, 14, "unavailable", 503, errors.RetryAlways, slog.LevelError, true, errors.RedeliverOutage},
	{errors.DataLoss, 15, "data_loss", 500, errors.RetryNever, slog.LevelError, true, errors.RedeliverNever},
	{errors.Unauthenticated, 16, "unauthenticated", 401, errors.RetryNever, slog.LevelWarn, false, errors.RedeliverOutage},
}

func TestTheTable(t *testing.T) {
	var codes []errors.Code
	for _, row := range table {
		codes = append(codes, row.code)
		t.Run(row.text, func(t *testing.T) {
			got := fmt.Sprintln(uint32(row.code), row.code, row.code.HTTPStatus(), row.code.Retry(), row.code.Level(), row.code.ServerFault(), row.code.Redelivery())
			want := fmt.Sprintln(row.number, row.text, row.status, row.retry, row.level, row.fault, row.redelivery)
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	if diff := cmp.Diff(codes, errors.Codes()); diff != "" {
		t.Errorf("Codes: %s", diff)
	}
}

func TestCodeTextRoundTrip(t *testing.T) {
	for _, code := range append(errors.Codes(), errors.OK) {
		text, err := code.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back errors.Code
		if err := back.UnmarshalText(text); err != nil || back != code {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
}

func TestCodeOutsideTheTableBehavesAsUnknown(t *testing.T) {
	code := errors.Code(99)
	if code.HTTPStatus() != 500 || code.Level() != slog.LevelError || code.String() != "code(99)" {
		t.Errorf("%v: %d %v", code, code.HTTPStatus(), code.Level())
	}
	if _, err := code.MarshalText(); err == nil {
		t.Error("MarshalText of a number outside the table gave no error")
	}
	if got := errors.CodeOf(code); got != errors.Unknown {
		t.Errorf("CodeOf = %v", got)
	}
}

func TestParseCodeNamesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{"", "NOT_FOUND", "not found", "cancelled"} {
		if code, err := errors.ParseCode(text); err == nil {
			t.Errorf("ParseCode(%q) = %v, want an error", text, code)
		}
	}
	_, err := errors.ParseCode("nonesuch")
	if want := `parse error code: "nonesuch" is none of the codes`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The numbers of google.golang.org/grpc/codes, which this module does not import.
func TestACodeIsCastToAndFromGRPCs(t *testing.T) {
	type grpcCode uint32
	for number, text := range []string{
		"ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied", "resource_exhausted",
		"failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
	} {
		code := errors.Code(grpcCode(number))
		if code.String() != text || grpcCode(code) != grpcCode(number) {
			t.Errorf("%d is %v, want %s", number, code, text)
		}
	}
}
