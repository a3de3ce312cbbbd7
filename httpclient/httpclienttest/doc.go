// Package httpclienttest has transports for tests. [Transport] answers from a script, without a network,
// remembers what it was asked, and finds bodies that nobody closed.
//
//	script := httpclienttest.NewTransport(
//		httpclienttest.Step{Status: 503, Delay: time.Second},
//		httpclienttest.JSON(200, `{"sku":"17"}`),
//	)
//	client, err := httpclient.New("inventory", httpclient.Config{Transport: script})
//	…
//	script.Check(t)
//
// [Recorder] does the accounting in front of another transport, such as one that calls real servers.
//
// A [Transport] starts no goroutine and takes its time from timers, so it works in a testing/synctest bubble.
package httpclienttest
