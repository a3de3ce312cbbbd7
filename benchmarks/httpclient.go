package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/go-resty/resty/v2"
	heimdallretry "github.com/gojek/heimdall/v7"
	heimdall "github.com/gojek/heimdall/v7/httpclient"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/imroc/req/v3"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
)

// stub answers every request at once, so that what is measured is the client alone.
type stub struct{}

func (stub) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2, Request: r,
	}, nil
}

// Do makes the stub what azcore and heimdall take.
func (s stub) Do(r *http.Request) (*http.Response, error) { return s.RoundTrip(r) }

func httpclientRows() []row {
	return append(loopbackRows(), stubRow(withoutSDK()), stubRow(withSDK()), uploadRow())
}

const stockURL = "http://inventory.example.com/stock/17"

// stubRow compares clients over a transport that answers at once. The peers other than the hand-made
// stack have no telemetry: they are there without an SDK only.
func stubRow(t telemetry) row {
	contenders := []contender{
		{"sdk", "zero Config but the transport and the providers", func() (work, func(), error) {
			client, err := sdkClient(t, stub{})
			return get(client), nil, err
		}},
		{"hand-made stack", "go-retryablehttp over gobreaker over a timeout an attempt over otelhttp, inside a total timeout", func() (work, func(), error) {
			return get(handMade(t, stub{})), nil, nil
		}},
		{"net/http", "the floor: none of it", func() (work, func(), error) {
			return get(&http.Client{Transport: stub{}}), nil, nil
		}},
	}
	var cannot []cannotDo
	if t.sdk {
		cannot = []cannotDo{{"resty, req, azcore, failsafe-go, heimdall", "have no telemetry of their own: they run without an SDK only"}}
	} else {
		contenders = append(contenders, restyPeer(), azcorePeer(), failsafePeer(), heimdallPeer(), reqPeer())
	}
	bars := []bar{timeWithin(0.7, "hand-made stack"), allocsWithin(32)}
	if t.sdk {
		bars = []bar{timeWithin(0.8, "hand-made stack"), allocsWithin(46)}
	}
	return row{name: "httpclient: GET over a stub transport, " + t.name, unit: "call", contenders: contenders, bars: bars, cannot: cannot}
}

func sdkClient(t telemetry, base http.RoundTripper) (*http.Client, error) {
	cfg := httpclient.Config{Transport: base} // without an SDK, the providers are OpenTelemetry's globals anyway
	if t.sdk {
		cfg.TracerProvider, cfg.MeterProvider, cfg.Propagator = t.tracer, t.meter, t.propage
	}
	return httpclient.New("benchmark", cfg)
}

// restyPeer is used as the section "Retries" of its README shows: one client for all requests, SetRetryCount, and R for each.
func restyPeer() contender {
	return contender{"resty", "SetTimeout, SetRetryCount(2); no breaker, no telemetry; it reads the body", func() (work, func(), error) {
		client := resty.New().SetTransport(stub{}).SetTimeout(30 * time.Second).SetRetryCount(2)
		return each(func() error {
			_, err := client.R().Get(stockURL)
			return err
		}), nil, nil
	}}
}

// reqPeer is used as its README and its page on retries show: C for a client with SetTimeout, R for each request.
func reqPeer() contender {
	return contender{"req", "SetTimeout, SetCommonRetryCount(2); no breaker, no telemetry; it reads the body", func() (work, func(), error) {
		client := req.C().SetTimeout(totalTimeout).SetCommonRetryCount(2)
		client.GetClient().Transport = stub{}
		return each(func() error {
			_, err := client.R().Get(stockURL)
			return err
		}), nil, nil
	}}
}

// azcorePeer is used as the package runtime of azcore documents for clients of a service: NewPipeline with the options of
// the client, NewRequest and Do for each request. Its policies for credentials are for services that want some.
func azcorePeer() contender {
	return contender{"azcore", "a pipeline with its default policies: retries, logs, telemetry header; no breaker; it reads the body", func() (work, func(), error) {
		pipeline := runtime.NewPipeline("benchmark", "v1.0.0", runtime.PipelineOptions{}, &policy.ClientOptions{
			Transport: stub{}, Retry: policy.RetryOptions{TryTimeout: 10 * time.Second},
		})
		return each(func() error {
			r, err := runtime.NewRequest(context.Background(), http.MethodGet, stockURL)
			if err != nil {
				return err
			}
			_, err = pipeline.Do(r) //nolint:bodyclose // its policies have read and closed it
			return err
		}), nil, nil
	}}
}

// failsafePeer is used as the examples of failsafehttp show: a RoundTripper of policies, the outermost first, with the
// retry policy that the package makes for HTTP.
//
//nolint:bodyclose // policies for responses are no responses
func failsafePeer() contender {
	return contender{"failsafe-go", "failsafehttp: retry, breaker, a timeout an attempt; no telemetry", func() (work, func(), error) {
		return get(&http.Client{Timeout: 30 * time.Second, Transport: failsafehttp.NewRoundTripper(stub{},
			failsafehttp.NewRetryPolicyBuilder().Build(),
			circuitbreaker.NewWithDefaults[*http.Response](),
			timeout.New[*http.Response](10*time.Second),
		)}), nil, nil
	}}
}

// heimdallPeer is used as "Creating an HTTP client with a retry mechanism" in its README shows: a retrier with a backoff and
// a number of retries. Its time limit is that of a client of net/http, in whose place the stub stands.
func heimdallPeer() contender {
	return contender{"heimdall", "WithRetrier and WithRetryCount(2); no breaker, no telemetry, and over the stub no time limit", func() (work, func(), error) {
		retrier := heimdallretry.NewRetrier(heimdallretry.NewExponentialBackoff(100*time.Millisecond, 2*time.Second, 2, 100*time.Millisecond))
		client := heimdall.NewClient(heimdall.WithRetrier(retrier), heimdall.WithRetryCount(2), heimdall.WithHTTPClient(stub{}))
		return each(func() error {
			resp, err := client.Get(stockURL, nil)
			return read(resp, err)
		}), nil, nil
	}}
}

// loopbackRows are the price of a call where it is made: over a connection. What the two ends wait for each
// other says nothing about either, so it is CPU time. One caller alone leaves processors idle between the steps of
// a call, and what the scheduler then does to look for work counts, too; several callers are a service at work.
func loopbackRows() (rows []row) {
	for _, callers := range []int{1, 8} {
		over := func(newClient func() (*http.Client, error)) func() (work, func(), error) {
			return func() (work, func(), error) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
				client, err := newClient()
				if err != nil {
					return nil, server.Close, err
				}
				return cpuTime(together(callers, func() error { return read(client.Get(server.URL)) })), func() {
					client.CloseIdleConnections()
					server.Close()
				}, nil
			}
		}
		name := "httpclient: GET over loopback, %d at a time, CPU time of client and server in one process, without an SDK of OpenTelemetry"
		rows = append(rows, row{name: fmt.Sprintf(name, callers), unit: "call", contenders: []contender{
			{"sdk", "zero Config", over(func() (*http.Client, error) { return httpclient.New("benchmark", httpclient.Config{}) })},
			{"net/http", "the floor, with the same settings of the transport", over(func() (*http.Client, error) { return &http.Client{Transport: sameTransport()}, nil })},
			{"net/http, timeouts", "the floor of the SDK's two timeouts: http.Client.Timeout, and a context with a timeout for the attempt", over(func() (*http.Client, error) {
				return &http.Client{Timeout: totalTimeout, Transport: &attemptTimeout{sameTransport()}}, nil
			})},
			{"net/http, timeouts, retries", "the floor of those and of the retry loop: go-retryablehttp around them", over(func() (*http.Client, error) {
				return retrying(&attemptTimeout{sameTransport()}), nil
			})},
			{"hand-made stack", "as above", over(func() (*http.Client, error) { return handMade(withoutSDK(), sameTransport()), nil })},
		}, bars: []bar{
			// net/http without a timeout is no client for a service: with the SDK's two it takes more than the bar by itself.
			cpuWithin(1.2, "net/http").orWithin(1.2, "net/http, timeouts"),
		}})
	}
	return rows
}

// together is work that several callers do.
func together(callers int, do func() error) work {
	return all(func(n int) error {
		var left atomic.Int64
		left.Store(int64(n))
		faults := make([]error, callers)
		var wg sync.WaitGroup
		for i := range faults {
			wg.Go(func() {
				for faults[i] == nil && left.Add(-1) >= 0 {
					faults[i] = do()
				}
			})
		}
		wg.Wait()
		return errors.Join(faults...)
	})
}

// sameTransport has the settings that the SDK's own transport has and net/http's has not.
func sameTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.MaxResponseHeaderBytes = 256 << 10
	return t
}

// uploadRow sends 64 MiB three times: two attempts fail.
func uploadRow() row {
	send := func(client *http.Client, base *failsTwice) work {
		host := 0
		return each(func() error {
			*base = failsTwice{}
			host++ // a host's retry budget would soon be empty
			r, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://host%d.example.com/", host), zeroes(64<<20))
			if err != nil {
				return err
			}
			r.ContentLength = 64 << 20
			r.GetBody = func() (io.ReadCloser, error) { return zeroes(64 << 20), nil }
			return read(client.Do(r))
		})
	}
	return row{name: "httpclient: 64 MiB PUT with GetBody and two retries, over a transport that reads and fails", unit: "call", contenders: []contender{
		{"sdk", "zero Config but the transport; the waits between attempts are in its time", func() (work, func(), error) {
			base := &failsTwice{}
			client, err := sdkClient(withoutSDK(), base)
			return send(client, base), nil, err
		}},
		{"go-retryablehttp", "its waits shortened to 1 ms", func() (work, func(), error) {
			base := &failsTwice{}
			retry := retryablehttp.NewClient()
			retry.Logger, retry.RetryWaitMin, retry.RetryWaitMax, retry.HTTPClient.Transport = nil, time.Millisecond, time.Millisecond, base
			return send(retry.StandardClient(), base), nil, nil
		}},
	}, bars: []bar{bytesWithin(1 << 20)}}
}

// failsTwice reads each body; its first two attempts fail.
type failsTwice struct{ attempts int }

func (f *failsTwice) RoundTrip(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	if closeErr := r.Body.Close(); err == nil {
		err = closeErr
	}
	if f.attempts++; err == nil && f.attempts < 3 {
		err = syscall.ECONNRESET
	}
	if err != nil {
		return nil, err
	}
	return stub{}.RoundTrip(r)
}

// zeroes is a body of so many bytes.
func zeroes(n int64) io.ReadCloser { return io.NopCloser(io.LimitReader(zero{}, n)) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func get(client *http.Client) work { return each(func() error { return read(client.Get(stockURL)) }) }

// cpuTime makes work return the CPU time that the process took for it.
func cpuTime(do work) work {
	return func(n int) (time.Duration, error) {
		before := processTime()
		_, err := do(n)
		return processTime() - before, err
	}
}

// each is work that does the same thing n times.
func each(do func() error) work {
	return all(func(n int) error {
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	})
}

func read(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	return response.Body.Close()
}

// handMade is what a team assembles from the same libraries, each as its documentation shows: StandardClient makes an
// [http.Client] of go-retryablehttp, otelhttp.NewTransport is the innermost so that each attempt has a span, and gobreaker's
// two-step breaker is for what is no function.
func handMade(t telemetry, base http.RoundTripper) *http.Client {
	return retrying(&breaking{
		next: &attemptTimeout{otelhttp.NewTransport(base,
			otelhttp.WithTracerProvider(t.tracer), otelhttp.WithMeterProvider(t.meter), otelhttp.WithPropagators(t.propage))},
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{Interval: 10 * time.Second, BucketPeriod: time.Second}),
	})
}

// The SDK's timeouts.
const totalTimeout, oneTimeout = 30 * time.Second, 10 * time.Second

// retrying is go-retryablehttp with the total timeout.
func retrying(attempts http.RoundTripper) *http.Client {
	retry := retryablehttp.NewClient()
	retry.Logger = nil
	retry.HTTPClient = &http.Client{Transport: attempts}
	client := retry.StandardClient()
	client.Timeout = totalTimeout
	return client
}

type breaking struct {
	next    http.RoundTripper
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func (b *breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	done, err := b.breaker.Allow()
	if err != nil {
		return nil, err
	}
	response, err := b.next.RoundTrip(r)
	done(err)
	return response, err
}

type attemptTimeout struct{ next http.RoundTripper }

func (t *attemptTimeout) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), oneTimeout)
	response, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	response.Body = &cancelling{response.Body, cancel}
	return response, nil
}

type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
