package httpserver

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/backend-platform/sdk/errors"
)

// Recover returns a handler that answers a panic below it with a 500 problem document and logs it at
// error level with its stack; nothing of the panic's value is sent. Where the response had begun, the
// connection is ended, so that the client sees that the response is cut. panic(http.ErrAbortHandler)
// is passed on as it is: it asks for just that, without a log line. A nil logger is slog.Default().
//
// A panic in a goroutine that the handler started ends the process, as in every Go program.
func Recover(next http.Handler, logger *slog.Logger) http.Handler {
	return &layers{next: next, recoverer: true, logger: logger}
}

// answerPanic reports whether the panic must go on, to end the connection. A nil value means that the
// goroutine is exiting (runtime.Goexit), which nobody can answer.
func (x *exchange) answerPanic(value any) (again bool) {
	if value == nil {
		return false
	}
	if err, ok := value.(error); ok && holds(err, http.ErrAbortHandler) {
		return true
	}
	// By %v, not %w: what the value says of codes or retries has no say in what the caller gets.
	err := errors.Internal.Wrap(fmt.Errorf("panic: %v", value), "")
	started := x.writer.started()
	WriteError(x.writer.writer(), x.request, err)
	return started
}
