package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/httpclient/httpclienttest"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/service/servicetest"
)

// start returns the service's handler, with all its middleware. The other service answers from the script; without one
// there is none.
func start(t *testing.T, script ...httpclienttest.Step) http.Handler {
	t.Helper()
	var other phrases
	if len(script) > 0 {
		transport := httpclienttest.NewTransport(script...)
		client, err := httpclient.New("phrases", httpclient.Config{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		other = phrases{client, "http://phrases"}
	}
	handler, err := httpserver.NewHandler((&greetings{phrases: other}).routes(), httpserver.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func call(t *testing.T, handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	return response
}

// failure reads the problem document of a response.
func failure(t *testing.T, response *httptest.ResponseRecorder) (fault errors.Problem) {
	t.Helper()
	if err := json.Unmarshal(response.Body.Bytes(), &fault); err != nil {
		t.Fatalf("%v: %s", err, response.Body)
	}
	return fault
}

func TestTheServiceStartsAndServes(t *testing.T) {
	s := servicetest.Start(t, setup)
	made, err := http.Post(s.URL()+"/greetings", "application/json", strings.NewReader(`{"name":"Ann","language":"en"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer made.Body.Close()
	if made.StatusCode != http.StatusCreated {
		t.Errorf("POST /greetings: %s", made.Status)
	}
}

func TestAGreetingCanBeReadAgain(t *testing.T) {
	service := start(t, httpclienttest.JSON(http.StatusOK, `{"phrase":"Guten Tag"}`))
	made := call(t, service, http.MethodPost, "/greetings", `{"name":"Ann","language":"de"}`)
	if made.Code != http.StatusCreated || made.Header().Get("Location") != "/greetings/1" {
		t.Fatalf("%d %v %s", made.Code, made.Header(), made.Body)
	}
	read := call(t, service, http.MethodGet, made.Header().Get("Location"), "")
	if want := `{"id":"1","text":"Guten Tag, Ann!"}`; read.Code != http.StatusOK || strings.TrimSpace(read.Body.String()) != want {
		t.Errorf("%d %s, want %s", read.Code, read.Body, want)
	}
}

func TestEveryFaultOfAGreetingIsSaidAtOnce(t *testing.T) {
	response := call(t, start(t), http.MethodPost, "/greetings", `{"name":"","language":"deutsch"}`)
	if response.Code != http.StatusBadRequest {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	for _, pointer := range []string{"#/name", "#/language"} {
		if !strings.Contains(response.Body.String(), pointer) {
			t.Errorf("nothing about %s: %s", pointer, response.Body)
		}
	}
}

func TestFailures(t *testing.T) {
	down := slices.Repeat([]httpclienttest.Step{httpclienttest.Status(http.StatusServiceUnavailable)}, 3) // one, and two retries
	for name, test := range map[string]struct {
		method, path, body string
		script             []httpclienttest.Step
		status             int
		reason             string
	}{
		"no such greeting":  {http.MethodGet, "/greetings/7", "", nil, http.StatusNotFound, ""},
		"no number":         {http.MethodGet, "/greetings/x", "", nil, http.StatusBadRequest, ""},
		"language there":    {http.MethodPost, "/greetings", `{"name":"Ann","language":"xx"}`, []httpclienttest.Step{httpclienttest.Status(http.StatusNotFound)}, errUnknownLanguage.Status(), "UNKNOWN_LANGUAGE"},
		"language here":     {http.MethodPost, "/greetings", `{"name":"Ann","language":"xx"}`, nil, errUnknownLanguage.Status(), "UNKNOWN_LANGUAGE"},
		"phrases are away":  {http.MethodPost, "/greetings", `{"name":"Ann","language":"de"}`, down, http.StatusServiceUnavailable, ""},
		"nothing like that": {http.MethodGet, "/", "", nil, http.StatusNotFound, "NO_ROUTE"},
	} {
		t.Run(name, func(t *testing.T) {
			response := call(t, start(t, test.script...), test.method, test.path, test.body)
			if fault := failure(t, response); response.Code != test.status || fault.Reason != test.reason {
				t.Errorf("%d %q, want %d %q: %s", response.Code, fault.Reason, test.status, test.reason, response.Body)
			}
		})
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var g greetings
	for range kept + 1 {
		g.add("Hello")
	}
	if len(g.known) != kept {
		t.Errorf("%d greetings are kept, want %d", len(g.known), kept)
	}
}
