// Package service is the main of a service: logs, traces, probes, an HTTP server, background work, and a stop in the one
// order that breaks no request, loses no record and sends the last spans.
//
// # A whole program
//
//	func main() { service.Main(service.Config{}, setup) }
//
//	func setup(ctx context.Context, s *service.Service) error {
//		consumer, err := kafka.NewConsumer(…)
//		if err != nil {
//			return err
//		}
//		s.OnStop("db", closeDB)      // reverse order, also after a setup that failed half-way
//		s.Go("orders", consumer.Run) // ctx done: take nothing new, finish what you hold
//		s.Check("cache", cacheWarm)  // readiness; a dependency that all instances share takes the whole fleet out
//		s.Handle(mux)                // public HTTP; without it no listener and no drain delay
//		return nil
//	}
//
// setup registers; nothing of what it registers runs before it has returned nil. [Run] is [Main] without signals and
// without the exit, for a program that has those of its own; package servicetest starts a service in a test.
//
// # The start
//
// Signals are taken, the memory limit is set, then logs, then telemetry from the OTEL_ variables, then the admin address
// (/livez answers 200, /readyz 503), setup, the public address (one that is taken fails before a consumer has joined its
// group), runners, requests, and then readiness, with one log line that has the versions, the addresses and the budgets.
// A signal ends setup's context.
//
// # The stop
//
// It begins with SIGTERM or SIGINT, the end of Run's context, or a runner that ends:
//
//	step                                                                  bound
//	readyz 503, Draining closed, "Connection: close", HTTP/2: GOAWAY;
//	requests are still accepted                                           DrainDelay 5 s; none on SIGINT
//	nothing is accepted; requests finish; at the end their contexts are
//	cancelled, and a second later their connections closed                9 s of StopTimeout's 20 s
//	the runners' contexts end, runners are waited for                     what is left of it but 1 s
//	OnStop, the last registered first                                     what is left of it
//	traces, metrics and logs are sent                                     FlushTimeout 3 s
//	the admin address is closed, the last line written                    –
//
// That is 28 s, under the 30 s that Kubernetes gives. A second signal ends every wait; telemetry then has 1 s.
//
// # Outcomes
//
//	0  a signal, also during setup, or the end of Run's context; ErrStop from a runner or from setup
//	1  an error or a panic of setup or of a runner, or a runner that ends before the stop; an address that is taken;
//	   an OnStop function that fails; whatever is left at a bound; a second signal
//	2  a panic in a goroutine that a runner has started, which Go does not let anybody recover
//
// Nothing is restarted in the process: whoever runs it does that, and sees it. Telemetry that was lost is logged and is no
// failure: a collector that is down must not fail a job that has done its work.
//
// The last log line says why the service stopped, how long each step took and what was still open at its bound. Runners
// carry the pprof label runner; the stacks of one that does not end are in the log.
//
// # Other listeners
//
// A server of gRPC, or any other listener, is a runner; set [Config.DrainDelay] so that there is one without Handle, too:
//
//	s.Go("grpc", func(ctx context.Context) error {
//		go func() { <-ctx.Done(); server.GracefulStop() }()
//		return server.Serve(listener)
//	})
//
// What answers without an end, such as a stream, ends when [Service.Draining] is closed.
//
// # What it does not do
//
// It reads no configuration file and injects nothing. It does not set GOMAXPROCS: Go follows the CPU limit by itself, and
// ends that where it is set. It does not catch SIGQUIT, which dumps all goroutines. It supervises no processes.
package service
