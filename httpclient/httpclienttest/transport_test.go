package httpclienttest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
)

func ExampleTransport() {
	script := httpclienttest.NewTransport(httpclienttest.Status(503), httpclienttest.JSON(200, `{"sku":"17"}`))
	client := &http.Client{Transport: script}
	for range 2 {
		resp, err := client.Post("http://inventory/items", "text/plain", strings.NewReader("17"))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Printf("%d %q\n", resp.StatusCode, body)
	}
	for _, r := range script.Requests() {
		fmt.Printf("%s %s %s\n", r.Method, r.URL, r.Body)
	}
	// Output:
	// 503 ""
	// 200 "{\"sku\":\"17\"}"
	// POST http://inventory/items 17
	// POST http://inventory/items 17
}

// complaints is a testing.TB that counts errors.
type complaints struct {
	testing.TB
	count int
}

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { c.count++ }

func TestCheckFindsBodiesThatNobodyClosed(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Step{Body: "x"})
	client := &http.Client{Transport: script}
	first, err := client.Get("http://inventory/")
	if err != nil {
		t.Fatal(err)
	}
	second, err := client.Get("http://inventory/")
	if err != nil {
		t.Fatal(err)
	}
	_ = first.Body.Close()
	var found complaints
	script.Check(&found)
	if found.count != 1 || script.OpenBodies() != 1 {
		t.Errorf("%d complaints, %d open bodies, want 1", found.count, script.OpenBodies())
	}
	_ = second.Body.Close()
	script.Check(t)
	if _, err := second.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("read after close: %v", err)
	}
}

func TestDelaysTakeTheirTimeAndEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(
			httpclienttest.Step{Delay: time.Second, Body: "ab", BodyDelay: time.Minute},
			httpclienttest.Step{Delay: time.Hour, Err: io.EOF},
			httpclienttest.Step{Hang: true})
		client := &http.Client{Transport: script}
		start := time.Now()
		resp, err := client.Get("http://inventory/")
		if err != nil || time.Since(start) != time.Second {
			t.Fatalf("%v after %v, want a response after 1s", err, time.Since(start))
		}
		if _, err := io.ReadAll(resp.Body); err != nil || time.Since(start) != time.Second+2*time.Minute {
			t.Errorf("%v after %v, want two reads of 1m", err, time.Since(start))
		}
		_ = resp.Body.Close()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://inventory/", nil)
			if resp, err := client.Do(req); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v; want the end of the context", resp, err)
			}
			cancel()
		}
	})
}

func TestStepsDescribeBrokenBodiesAndUnknownLengths(t *testing.T) {
	script := httpclienttest.NewTransport(
		httpclienttest.Step{Body: "abc", BodyErr: io.ErrUnexpectedEOF, Chunked: true}, httpclienttest.Fail(io.ErrClosedPipe))
	client := &http.Client{Transport: script}
	resp, err := client.Get("http://inventory/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != "abc" || !errors.Is(err, io.ErrUnexpectedEOF) || resp.ContentLength != -1 {
		t.Errorf("%q, %v, length %d", body, err, resp.ContentLength)
	}
	_ = resp.Body.Close()
	if _, err := client.Get("http://inventory/"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, want the step's error", err)
	}
}
