// Package internal is the root of what several modules of the SDK share and nobody outside may import.
//
// # What is here
//
//   - buildinfo: which modules, in which versions, the running program was built from
//   - logctx: attributes in a context that every log line under it carries
//   - policy: the effective policies of clients, breakers and consumers, to be shown on request
//   - redact: what is a secret, by its name, by its form, and in a URL
//   - httpconv: what the HTTP client and the HTTP server must agree on: OpenTelemetry's conventions,
//     headers, and how they are read
//   - certs: certificates and authorities in files, read again when they change
//   - spans: starts spans where somebody may see them
//   - validate: calls the method Validate of a decoded value
//   - retrycases: for tests, what becomes of a call after an attempt, in both loops that retry
//   - locked: for tests, a buffer that many goroutines may write to and read
//   - memnet: for tests, a listener in memory, whose waits let virtual time go on
//
// # What it guarantees
//
// The module is released and pinned like the others, and modules of different releases meet in one
// program: its API only ever grows. None of its types is part of another module's public API.
//
// # What it does not
//
// It is not a place for helpers. What only one module needs lives there.
package internal
