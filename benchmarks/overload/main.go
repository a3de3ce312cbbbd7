// Command overload offers an HTTP server on loopback less and more than it can serve, with load shedding and without,
// and prints how long the requests take that it accepts.
//
//	overload                   20 places for 40 ms each, loads of 0.8 and 4 times their capacity, 20 s each
//	overload -loads 1,2,8 -for 30s
//
// Behind the server is a pool, as of database connections: each request needs one of its places for a fixed time. So the
// capacity is known, and does not depend on the machine. Requests arrive at random moments (Poisson), whether or not
// earlier ones were answered, and give up after five seconds. For the first quarter of the time the load is normal, as a
// service knows it before there is too much; then, until half of the time is over, the limit finds its place.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

// patience is how long a client waits for an answer.
const patience = 5 * time.Second

type options struct {
	places  int
	service time.Duration
	loads   []float64
	length  time.Duration
	max     int // Config.MaxConcurrent
}

func (o options) capacity() float64 { return float64(o.places) / o.service.Seconds() }

func main() {
	o := options{}
	loads := flag.String("loads", "0.8,4", "offered loads, as multiples of the capacity")
	flag.IntVar(&o.places, "places", 20, "places of the pool behind the server")
	flag.DurationVar(&o.service, "service", 40*time.Millisecond, "how long a request needs a place")
	flag.DurationVar(&o.length, "for", 20*time.Second, "how long each load is offered; the first half does not count")
	flag.IntVar(&o.max, "max", 0, "Config.MaxConcurrent where shedding is on; 0 is its default")
	flag.Parse()
	for load := range strings.SplitSeq(*loads, ",") {
		f, err := strconv.ParseFloat(load, 64)
		if err != nil || f <= 0 {
			fmt.Fprintf(os.Stderr, "overload: -loads: %q is not a number above zero\n", load)
			os.Exit(2)
		}
		o.loads = append(o.loads, f)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	fmt.Printf("capacity %.0f requests a second: %d places, %v a request\n\n", o.capacity(), o.places, o.service)
	fmt.Printf("| load | shedding | accepted/s | shed/s | gave up/s | p50 | p99 | p50 of a refusal |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, load := range o.loads {
		for _, server := range []struct {
			name string
			max  int
		}{{"off", -1}, {"on", o.max}} {
			s, err := offer(o, load, server.max)
			if err != nil {
				return err
			}
			fmt.Printf("| %.1f × | %s | %s |\n", load, server.name, s.line())
		}
	}
	return nil
}

// normal is the load that a service is made for, as a multiple of its capacity.
const normal = 0.8

// offer starts a server, offers it a load, and says what became of the requests.
func offer(o options, load float64, maxConcurrent int) (*seen, error) {
	pool := make(chan struct{}, o.places)
	server, err := httpserver.New(httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		select {
		case pool <- struct{}{}:
			defer func() { <-pool }()
		case <-r.Context().Done():
			return r.Context().Err()
		}
		time.Sleep(o.service)
		_, err := io.WriteString(w, "served")
		return err
	}), httpserver.Config{Addr: "127.0.0.1:0", MaxConcurrent: maxConcurrent, DrainDelay: -1, DrainTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Run(ctx) // requests that nobody waits for any more may be cut off
	}()
	defer func() {
		stop()
		<-done
	}()

	transport := &http.Transport{MaxIdleConnsPerHost: 10_000, MaxIdleConns: 10_000}
	defer transport.CloseIdleConnections()
	s := &seen{client: &http.Client{Transport: transport, Timeout: patience}, url: server.URL(), length: o.length / 2}
	began := time.Now()
	var requests sync.WaitGroup
	for at := time.Duration(0); at < o.length; {
		rate := load * o.capacity()
		if at < o.length/4 {
			rate = min(load, normal) * o.capacity()
		}
		at += time.Duration(rand.ExpFloat64() / rate * float64(time.Second))
		time.Sleep(time.Until(began.Add(at)))
		counts := at >= o.length/2
		requests.Go(func() { s.request(counts) })
	}
	requests.Wait()
	return s, s.fault
}

// seen is what clients saw.
type seen struct {
	client *http.Client
	url    string
	length time.Duration

	mu       sync.Mutex
	accepted []time.Duration
	shed     []time.Duration
	gaveUp   int
	fault    error
}

func (s *seen) request(counts bool) {
	began := time.Now()
	response, err := s.client.Get(s.url)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		err = errors.Join(err, response.Body.Close())
	}
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded):
		if counts {
			s.gaveUp++
		}
	case err != nil:
		s.fault = err
	case response.StatusCode == http.StatusOK:
		if counts {
			s.accepted = append(s.accepted, took)
		}
	case response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") != "":
		if counts {
			s.shed = append(s.shed, took)
		}
	default:
		s.fault = fmt.Errorf("status %d, Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
	}
}

func (s *seen) line() string {
	second := func(n int) float64 { return float64(n) / s.length.Seconds() }
	return fmt.Sprintf("%.0f | %.0f | %.0f | %v | %v | %v", second(len(s.accepted)), second(len(s.shed)), second(s.gaveUp),
		quantile(s.accepted, 0.5), quantile(s.accepted, 0.99), quantile(s.shed, 0.5))
}

func quantile(values []time.Duration, q float64) string {
	if len(values) == 0 {
		return "–"
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)].Round(100 * time.Microsecond).String()
}
