// Package logging gives a service one logger: a plain [zap.Logger] whose core knows the trace, hides
// secrets, prints our errors with all they know, and takes slog and the standard log in.
//
// # When to use it
//
// In main, and wherever a service's own code logs. Libraries take a *slog.Logger instead, or use slog's
// default, which ends up here ([NewSlogHandler], [SetDefault]): no other module of this SDK imports
// this one.
//
// # A whole program
//
//	func main() {
//		logger, err := logging.New("orders", logging.Config{Level: os.Getenv("LOG_LEVEL")})
//		if err != nil {
//			log.Fatal(err)
//		}
//		logging.SetDefault(logger)
//		defer logger.Sync()
//
//		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
//			logging.FromContext(r.Context()).Info("hello", zap.String("path", r.URL.Path))
//		})
//		logger.Fatal("server ended", zap.Error(http.ListenAndServe(":8080", nil)))
//	}
//
// # Contexts
//
// [FromContext] gives the logger for what happens under a context: the one that [NewContext] put in,
// else the default one, bound to the context's span and fields. The ids are those of the span that is
// current in that very context, so code that starts a span asks again. Fields get into a context by
// [With]; the HTTP server and the Kafka consumer put in what identifies the request or the record. A
// call of slog with a context has all that, too.
//
// # Errors
//
// zap.Error(err), and slog's attributes error and err, become error.type (the code of package errors, as
// in spans and metrics), exception.message (the whole text, the members of joined errors on one line)
// and exception.stacktrace (from where the error began, if it has a stack); the object error holds code,
// reason, domain, attrs, metadata, violations, causes, members and fingerprint, where there are any.
// Errors under other keys, in lists and in groups are such objects, with message and stacktrace inside.
//
// # Secrets
//
// Values under secret names (password, token, authorization, cookie, api_key and their like, whatever
// the case and the separators) and secrets that are known by their form (Bearer tokens, JSON Web Tokens,
// private keys, card numbers, passwords in URLs) become REDACTED: in fields, nested objects, structs,
// names of fields, messages and errors; so does all that is in a group or a namespace of such a name. A value that has
// slog's LogValue is logged as that says, also by zap.Any, but not inside a slice, a map or a struct. A
// field of a struct with the tag `log:"secret"` is one, too; where the struct writes its own JSON, so is the
// member of that name. This is a net under code that should not log secrets in the first place.
//
// # Levels
//
// One set of levels, by the loggers' names, holds for a logger and all that is derived from it.
// [LevelHandler] shows and changes it over HTTP, for a time or for good; [RunLevelSignals] changes it by
// SIGUSR1 and SIGUSR2; [LevelsOf] does in code.
//
// # What it guarantees
//
//   - A line is one call of Write, valid JSON, and has no key twice: of two fields with one key the
//     later stays, and a line's wins over the logger's, and that over the context's. A field that has the
//     name of a part of the line (body, trace_id) is kept as attributes.body.
//   - A text is at most 16 KiB and a line's fields 128 KiB by default; what is cut or left out is counted
//     in the line.
//   - A field whose code panics costs that field only.
//   - An output that fails, panics, blocks or is a broken pipe costs lines, and not the service: they are
//     counted, and reported on standard error and in the log.
//   - A line of five fields costs two allocations, one of them zap's, and one through slog none; the
//     logger of a request costs five. Tests hold it to that.
//   - All functions and methods are safe for concurrent use.
//
// # What it does not do
//
// It does not rotate files or buffer: it writes to standard output, and what runs the service collects it.
// It leaves out repeats only if [Config] says so. Package logging/otlp sends lines to OpenTelemetry. It does not
// look for secrets in numbers, nor in bytes that are no text.
package logging
