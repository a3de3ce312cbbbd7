package httpclient_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/google/go-cmp/cmp"
)

type item struct {
	SKU   string `json:"sku"`
	Stock int    `json:"stock"`
}

func TestHelpersSendAndDecodeJSON(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.JSON(200, `{"sku":"17","stock":3}`))
	client := newClient(t, script, httpclient.Config{})
	ctx, want := t.Context(), item{"17", 3}
	for method, call := range map[string]func() (item, error){
		"GET":   func() (item, error) { return httpclient.Get[item](ctx, client, target) },
		"POST":  func() (item, error) { return httpclient.Post[item](ctx, client, target, want) },
		"PUT":   func() (item, error) { return httpclient.Put[item](ctx, client, target, want) },
		"PATCH": func() (item, error) { return httpclient.Patch[item](ctx, client, target, want) },
	} {
		got, err := call()
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", method, got, err)
		}
		requests := script.Requests()
		last := requests[len(requests)-1]
		if last.Method != method || last.Header.Get("Accept") != "application/json" {
			t.Errorf("%s: sent %s with Accept %q", method, last.Method, last.Header.Get("Accept"))
		}
		if method == "GET" {
			continue
		}
		if got := string(last.Body); got != `{"sku":"17","stock":3}` || last.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: sent %s as %q", method, got, last.Header.Get("Content-Type"))
		}
	}
	script.Check(t)
}

func TestProblemDocumentBecomesARemoteError(t *testing.T) {
	catalogue := errors.NewCatalogue("inventory", "")
	outOfStock := catalogue.Define(errors.Definition{Code: errors.FailedPrecondition, Reason: "OUT_OF_STOCK", Title: "Item is out of stock"})
	body, err := json.Marshal(outOfStock.New("Only 3 left.").WithMetadata("sku", "17"))
	if err != nil {
		t.Fatal(err)
	}
	script := httpclienttest.NewTransport(httpclienttest.Step{
		Status: 400, Header: http.Header{"Content-Type": {"application/problem+json"}}, Body: string(body),
	})
	_, err = httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{}), target)
	problem, ok := errors.AsType[*errors.Error](err)
	if !ok || !errors.Is(err, outOfStock) || !errors.Is(err, errors.FailedPrecondition) || !errors.Remote(err) {
		t.Fatalf("%v: remote %v", err, errors.Remote(err))
	}
	if diff := cmp.Diff(map[string]string{"sku": "17"}, problem.Metadata()); diff != "" {
		t.Error(diff)
	}
	if got := errors.CodeOf(errors.Local(err)); got != errors.Internal {
		t.Errorf("our own answer has the code %v, want internal", got)
	}
	script.Check(t)
}

func TestStatusAloneMakesAnError(t *testing.T) {
	for status, want := range map[int]errors.Code{
		301: errors.Unknown, 304: errors.Unknown, 400: errors.InvalidArgument, 401: errors.Unauthenticated, 404: errors.NotFound, 500: errors.Internal, 501: errors.Unimplemented,
	} {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: status, Body: "<html>"})
		_, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{}), target)
		if got := errors.CodeOf(err); got != want && want != errors.Unknown || err == nil {
			t.Errorf("%d: code %v, want %v", status, got, want)
		}
		script.Check(t)
	}
}

func TestUsedUpAttemptsMarkTheDecodedError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, header := range []http.Header{{}, {"Retry-Exhausted": {"1"}}} {
			script := httpclienttest.NewTransport(httpclienttest.Step{Status: 503, Header: header})
			_, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{}), target)
			if !errors.Exhausted(err) || errors.CodeOf(err) != errors.Unavailable {
				t.Errorf("%v: exhausted %v", err, errors.Exhausted(err))
			}
		}
		script := httpclienttest.NewTransport(httpclienttest.Status(503))
		ctx := httpclient.With(t.Context(), httpclient.Call{NoRetry: true})
		_, err := httpclient.Get[item](ctx, newClient(t, script, httpclient.Config{}), target)
		if errors.Exhausted(err) || len(script.Requests()) != 1 {
			t.Errorf("%v: marked as exhausted after one attempt", err)
		}
	})
}

func TestRetryAfterOfAResponseIsInTheError(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Step{Status: 429, Header: http.Header{"Retry-After": {"60"}}})
	_, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{}), target)
	if got := errors.RetryAfter(err); got != time.Minute {
		t.Errorf("%v: retry after %v, want 1 min", err, got)
	}
}

func TestResponsesThatAreNotTheExpectedJSON(t *testing.T) {
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for name, tc := range map[string]struct {
		step httpclienttest.Step
		want error
	}{
		"HTML":               {httpclienttest.Step{Header: html, Body: `{"sku":"17"}`}, httpclient.ErrNotJSON},
		"syntax":             {httpclienttest.JSON(200, `{"sku":`), httpclient.ErrNotJSON},
		"type":               {httpclienttest.JSON(200, `{"sku":17}`), httpclient.ErrNotJSON},
		"trailing":           {httpclienttest.JSON(200, `{}{}`), httpclient.ErrNotJSON},
		"empty":              {httpclienttest.JSON(200, ``), httpclient.ErrNotJSON},
		"long and announced": {httpclienttest.JSON(200, `"`+strings.Repeat("x", 100)+`"`), httpclient.ErrBodyTooLarge},
		"long":               {httpclienttest.Step{Body: `"` + strings.Repeat("x", 100) + `"`, Chunked: true}, httpclient.ErrBodyTooLarge},
		"as long as allowed": {httpclienttest.JSON(200, `{"sku":"17"}`+strings.Repeat(" ", 88)), nil},
		"another JSON type":  {httpclienttest.Step{Header: http.Header{"Content-Type": {"application/hal+json"}}, Body: `{}`}, nil},
		"no content type":    {httpclienttest.Step{Body: `{}`}, nil},
		"no content":         {httpclienttest.Status(204), nil},
	} {
		t.Run(name, func(t *testing.T) {
			script := httpclienttest.NewTransport(tc.step)
			got, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{MaxResponseBytes: 100}), target)
			if !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if err != nil && (errors.CodeOf(err) != errors.Internal || got != (item{})) {
				t.Errorf("%v: code %v, value %+v", err, errors.CodeOf(err), got)
			}
			script.Check(t)
		})
	}
}

func TestBodyThatIsAnnouncedAsTooLargeIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Body: strings.Repeat(" ", 2<<20), BodyDelay: time.Second})
		start := time.Now()
		_, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{MaxResponseBytes: 1 << 20}), target)
		if !errors.Is(err, httpclient.ErrBodyTooLarge) || time.Since(start) != 0 {
			t.Errorf("%v after %v, want ErrBodyTooLarge at once", err, time.Since(start))
		}
		script.Check(t)
	})
}

func TestLargestLimitIsNone(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.JSON(200, `{"sku":"17","stock":3}`))
	got, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{MaxResponseBytes: math.MaxInt64}), target)
	if err != nil || got != (item{"17", 3}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDoWorksWithAnyClientAndIgnoresBodiesForNoType(t *testing.T) {
	script := httpclienttest.NewTransport(httpclienttest.Step{Header: http.Header{"Content-Type": {"text/plain"}}, Body: "created"})
	req, err := httpclient.NewRequest(t.Context(), http.MethodPost, target, item{"17", 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := httpclient.Do[struct{}](&http.Client{Transport: script}, req); err != nil {
		t.Error(err)
	}
	script.Check(t)
}

func TestBodyThatCannotBeEncodedIsAnError(t *testing.T) {
	script := httpclienttest.NewTransport()
	_, err := httpclient.Post[item](t.Context(), newClient(t, script, httpclient.Config{}), target, func() {})
	if err == nil || len(script.Requests()) != 0 {
		t.Errorf("%v after %d requests", err, len(script.Requests()))
	}
}

func TestStalledProblemDocumentStillGivesItsStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		script := httpclienttest.NewTransport(httpclienttest.Step{Status: 404, Body: "{}", BodyDelay: time.Hour})
		_, err := httpclient.Get[item](t.Context(), newClient(t, script, httpclient.Config{}), target)
		if errors.CodeOf(err) != errors.NotFound {
			t.Errorf("%v: code %v, want not_found", err, errors.CodeOf(err))
		}
		script.Check(t)
	})
}

func FuzzDo(f *testing.F) {
	f.Add(200, "application/json", "", `{"sku":"17"}`)
	f.Add(503, "application/problem+json", "9300000000", `{"code":"unavailable"}`)
	f.Add(404, "text/html;", "Fri, 31 Dec 1999 23:59:59 GMT", `<`)
	f.Fuzz(func(t *testing.T, status int, contentType, retryAfter, body string) {
		script := httpclienttest.NewTransport(httpclienttest.Step{
			Status: 200 + max(status%400, 0),
			Header: http.Header{"Content-Type": {contentType}, "Retry-After": {retryAfter}},
			Body:   body,
		})
		client := newClient(t, script, httpclient.Config{MaxResponseBytes: 1000, Retry: once})
		value, err := httpclient.Get[item](t.Context(), client, target)
		if err != nil && value != (item{}) {
			t.Errorf("value %+v beside %v", value, err)
		}
		if err != nil && errors.CodeOf(err) == errors.OK {
			t.Errorf("%v has the code ok", err)
		}
		script.Check(t)
	})
}
