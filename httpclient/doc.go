// Package httpclient makes an [http.Client] that is safe when things break: it retries only what is
// safe to retry, stops calling a host that is down, never waits for ever, and shows each attempt as a
// span and a metric.
//
// # When
//
// For every call to another service. What [New] returns is a plain *http.Client, so generated and
// third-party clients take it, too. The generic helpers [Get], [Post], [Put], [Patch], [Delete] and
// [Do] speak JSON and turn a response outside 2xx into an error that the whole SDK understands.
//
//	client, err := httpclient.New("inventory", httpclient.Config{InternalHosts: []string{"inventory"}})
//	…
//	item, err := httpclient.Get[Item](ctx, client, "http://inventory/items/17")
//	if errors.Is(err, errors.NotFound) {
//		…
//	}
//
// Make one client for each service that is called, when the program starts. The package example is a
// whole program.
//
// # What a call goes through
//
// From the outside in: the redirect rules and the total timeout; the bound on concurrent calls; the retry
// loop, which is github.com/hashicorp/go-retryablehttp, told by package resilience when to go on; the
// circuit breaker of the scheme, host and port; the timeout of the attempt; its span and its metrics;
// the base transport.
//
// # What is retried
//
// GET, HEAD, OPTIONS, PUT, DELETE and TRACE, and a POST or PATCH with an Idempotency-Key, after an
// error of the connection, an attempt timeout, or the status 429, 502, 503 or 504. At most two more
// attempts, with random waits of up to 100 and 200 ms, or 1 and 2 s after a 429; Retry-After is
// honoured up to 10 s. All retries to a host together are at most 10 % of the calls to it, or one a
// second.
//
// Never: a POST or PATCH without a key; a request whose body cannot be had again, which is one with a
// Body and without GetBody; after 500, and every other status; after a certificate that is not
// trusted; when the wait would not end before the deadline; when the breaker is open; when the
// response says Retry-Exhausted, because a layer below has tried already. NoRetry in [Call] turns
// retries off for one call.
//
// When the attempts are used up, the last response is handed out as it is, with the header
// Retry-Exhausted, or the last error, which errors.Exhausted recognises. A server that answers with
// that error passes the mark on, so that three layers do not make twenty-seven calls of one.
//
// # Timeouts
//
// An attempt has 10 s until its response's headers; then each Read of the body may wait 10 s; the
// whole call, redirects and body included, has 30 s. [Call] changes them for one call: a negative
// Timeout for a large download, a negative BodyIdleTimeout for a stream of events. A timeout is a
// [*TimeoutError]. The caller's context ends a call, too. An upload that takes longer than the attempt
// timeout needs a longer one.
//
// # Guarantees
//
//   - The caller's request is not changed, its body is closed, and nothing is read into memory that
//     was not asked for: a large body is streamed, and rewound by GetBody.
//   - A response that another attempt replaces is drained and closed, so its connection is used again.
//     A failure of one host costs another none of its connections.
//   - The breaker judges at the response's headers: a transport error, an attempt timeout and every
//     status from 500 on but 501 is a failure; 429 and a caller that went away are neither.
//   - A redirect to another host, another port or another subdomain keeps only headers that identify
//     nobody, also if it leads back; one from https to http is refused with [ErrInsecureRedirect].
//   - With Config.PublicOnly, no connection is made to an address that is not public, whatever the URL,
//     a redirect or the name's resolution says.
//   - Connections are replaced after five minutes, so that a name's new addresses are noticed.
//   - Certificates in files are read again when they change; a broken replacement is not used, and said.
//   - Baggage and the remaining time (Request-Timeout-Ms) go to Config.InternalHosts only.
//   - Neither spans, nor log lines, nor the errors of the helpers show user names, passwords or secret
//     query parameters.
//   - The package starts no goroutine, and New's client needs no closing.
//
// # What it does not do
//
// The plain client keeps net/http's contract. A 404 is no error; the caller closes the body; and the
// [*url.Error] around an error shows the URL that the caller passed, with its query: log the error of
// a helper, or the error inside. A CheckRedirect that is set on the client replaces the limit of ten
// redirects; the rules above still hold, except that a Cookie header which the caller set by hand may
// follow to a subdomain or another port. There is no caching and no rate limit.
package httpclient
