package errors

import "log/slog"

// Retry says whether a failed call may be made again. A greater value permits more.
type Retry uint8

const (
	// RetryNever: the same call fails in the same way.
	RetryNever Retry = iota
	// RetryOperation: repeat the whole operation from its first read on, not this call.
	RetryOperation
	// RetryIdempotent: if the call is idempotent and time is left, because it may have taken effect.
	RetryIdempotent
	// RetryAlways: the call was not carried out; wait as long as [RetryAfter] says, or back off.
	RetryAlways
)

// String returns "never", "operation", "idempotent" or "always".
func (r Retry) String() string {
	return [...]string{"never", "operation", "idempotent", "always"}[min(r, RetryAlways)]
}

// Redelivery says what a consumer does with a message whose handler failed. The question it answers:
// does the failure speak about the message (another try cannot help, its neighbours are fine), or
// about us and what we depend on?
type Redelivery uint8

const (
	// RedeliverNever: the failure speaks about the message; it is a dead letter at once.
	RedeliverNever Redelivery = iota
	// RedeliverLimited: try again, then it is a dead letter.
	RedeliverLimited
	// RedeliverOutage: as RedeliverLimited, and it counts towards an outage, in which a consumer pauses.
	RedeliverOutage
)

// String returns "never", "limited" or "outage".
func (r Redelivery) String() string {
	return [...]string{"never", "limited", "outage"}[min(r, RedeliverOutage)]
}

// row is one line of the table: all that a code decides.
type row struct {
	name       string
	status     int
	retry      Retry
	level      slog.Level
	fault      bool // a server span is an error
	redelivery Redelivery
	severity   int // of joined errors, the one with the greatest severity decides; no two are equal
}

// table is the one place where the meaning of a failure is written down. HTTP, retries, logs, spans
// and consumers read it; a test in each of their modules walks all of it.
var table = [...]row{
	OK:                 {"ok", 200, RetryNever, slog.LevelInfo, false, RedeliverNever, 0},
	Canceled:           {"canceled", 499, RetryNever, slog.LevelDebug, false, RedeliverOutage, 1},
	Unknown:            {"unknown", 500, RetryNever, slog.LevelError, true, RedeliverOutage, 14},
	InvalidArgument:    {"invalid_argument", 400, RetryNever, slog.LevelInfo, false, RedeliverNever, 2},
	DeadlineExceeded:   {"deadline_exceeded", 504, RetryIdempotent, slog.LevelError, true, RedeliverOutage, 11},
	NotFound:           {"not_found", 404, RetryNever, slog.LevelInfo, false, RedeliverNever, 4},
	AlreadyExists:      {"already_exists", 409, RetryNever, slog.LevelInfo, false, RedeliverNever, 5},
	PermissionDenied:   {"permission_denied", 403, RetryNever, slog.LevelWarn, false, RedeliverOutage, 7},
	ResourceExhausted:  {"resource_exhausted", 429, RetryAlways, slog.LevelWarn, false, RedeliverOutage, 10},
	FailedPrecondition: {"failed_precondition", 400, RetryNever, slog.LevelInfo, false, RedeliverNever, 6},
	Aborted:            {"aborted", 409, RetryOperation, slog.LevelWarn, false, RedeliverLimited, 9},
	OutOfRange:         {"out_of_range", 400, RetryNever, slog.LevelInfo, false, RedeliverNever, 3},
	Unimplemented:      {"unimplemented", 501, RetryNever, slog.LevelError, true, RedeliverNever, 13},
	Internal:           {"internal", 500, RetryNever, slog.LevelError, true, RedeliverOutage, 15},
	Unavailable:        {"unavailable", 503, RetryAlways, slog.LevelError, true, RedeliverOutage, 12},
	DataLoss:           {"data_loss", 500, RetryNever, slog.LevelError, true, RedeliverNever, 16},
	Unauthenticated:    {"unauthenticated", 401, RetryNever, slog.LevelWarn, false, RedeliverOutage, 8},
}
