// Package httpserver serves HTTP with handlers that return errors, the middleware that every service
// needs in its one right order, timeouts that are safe, and a stop that breaks no request.
//
// # A whole program
//
//	func main() {
//		mux := http.NewServeMux()
//		mux.Handle("GET /orders/{id}", httpserver.HandlerFunc(getOrder))
//
//		server, err := httpserver.New(mux, httpserver.Config{AdminAddr: ":8081"})
//		if err != nil {
//			log.Fatal(err)
//		}
//		server.Health().Check("db", db.PingContext)
//
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//		context.AfterFunc(ctx, stop) // a second signal then ends the process at once
//		if err := server.Run(ctx); err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	func getOrder(w http.ResponseWriter, r *http.Request) error {
//		order, err := orders.Find(r.Context(), r.PathValue("id"))
//		if err != nil {
//			return errors.NotFound.Wrap(err, "There is no such order.")
//		}
//		return httpserver.WriteJSON(w, http.StatusOK, order)
//	}
//
// # Errors
//
// A [HandlerFunc] returns its error, and package errors' table decides the rest: the status, the
// problem document (application/problem+json, RFC 9457, with the trace id), the level of the log line,
// the status of the span. What is public in an error is sent, its causes are logged. [WriteError] does
// the same for handlers of another form. [DecodeJSON] finds every fault of a body at once and says where it is;
// [WriteJSON] encodes before it writes. [CatalogueHandler] serves the documentation of the errors that the
// service defines, where their type URIs point to.
//
// # Middleware
//
// [New] and [NewHandler] put everything around a handler, outermost first:
//
//	Trace             a server span and metrics, by OpenTelemetry's conventions
//	LogAttrs          method and route for every log line of the request
//	AccessLog         one line for each request; probes left out
//	Recover           a panic becomes a 500
//	Deadline          30 s, or what the caller says it waits
//	LimitBody         1 MiB, beyond it 413
//	LimitConcurrency  1,000 requests in hand, fewer in an overload, beyond it 503 and Retry-After
//	Routes            the mux's own 404 and 405 as problem documents
//
// Each is exported and can be used alone. Together they run as one handler with one state for the
// request. Every optional interface of the http.ResponseWriter below is kept: http.Flusher,
// http.Hijacker, io.ReaderFrom, http.Pusher, and all that http.ResponseController reaches.
//
// Routes get names for spans and metrics from the patterns of http.ServeMux; with another router they
// have none.
//
// # Probes and the admin address
//
// GET /livez and GET /readyz are answered at the public address without a word about what fails, and at
// [Config.AdminAddr] with the state of each check. There, GET /debug/sdk shows the versions of the SDK's modules
// and the effective policies of the program; [Server.Admin] is the mux to add other handlers to.
//
// # TLS
//
// [Config.CertFile] and [Config.KeyFile] are read again when they change, so that a renewed certificate
// needs no restart; so is [Config.ClientCAFile], which asks clients for a certificate. Versions before
// TLS 1.2 are refused.
//
// # The stop
//
// When Run's context ends, the server turns its readiness off and says "Connection: close" (HTTP/2:
// GOAWAY) with every response, while it goes on accepting for [Config.DrainDelay]; then it stops
// accepting and waits for what it has in hand, at most [Config.DrainTimeout]; then it ends the contexts of what
// is left, and a second later the connections, and logs where handlers hang. [Server.Run] has the details. Requests do not end with Run's context.
//
// # What it guarantees
//
//   - No text of a cause, a panic, a log attribute or of encoding/json is sent.
//   - After the first byte of a response no error is appended to it; after a panic the connection ends
//     instead, so that the client sees the cut.
//   - canceled is the code of a request only if the caller went away, and a remote service's code is
//     never ours unless errors.PassOn says so.
//   - Each failed request is logged once.
//
// # What it does not do
//
// It does not route (http.ServeMux does), authenticate, compress, set CORS headers or get certificates: it reads
// them. What net/http refuses before a handler is called, such as a malformed request line, is
// answered by net/http in plain text. A handler that does not look at its context is not stopped by a
// deadline. client.address is the peer's: no header of a proxy is believed.
package httpserver
