package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backend-platform/sdk/errors"
)

func TestAcceptDecidesTheForm(t *testing.T) {
	tests := map[string]struct {
		accept []string
		json   bool
	}{
		"absent":          {nil, true},
		"empty":           {[]string{""}, true},
		"anything":        {[]string{"*/*"}, true},
		"problem":         {[]string{"application/problem+json"}, true},
		"json":            {[]string{"application/json"}, true},
		"json by case":    {[]string{"Application/JSON"}, true},
		"vendor json":     {[]string{"application/vnd.api+json"}, true},
		"application":     {[]string{"application/*;q=0.5"}, true},
		"browser":         {[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, false},
		"script":          {[]string{"text/html, application/json"}, true},
		"rather text":     {[]string{"application/json;q=0.5, text/plain"}, false},
		"rather json":     {[]string{"application/json, text/plain;q=0.9, */*;q=0.1"}, true},
		"text in general": {[]string{"text/*, */*;q=0.5"}, false},
		"most exact":      {[]string{"application/problem+json;q=0.1, application/*, text/plain;q=0.2"}, false},
		"greatest":        {[]string{"application/problem+json;q=0.1, application/json;q=0.3, text/plain;q=0.2"}, true},
		"weight is odd":   {[]string{"application/json;q=2, text/html;q=NaN"}, true},
		"nothing at all":  {[]string{"*/*;q=0"}, true},
		"second header":   {[]string{"text/html", "application/json"}, true},
		"html only":       {[]string{"text/html"}, false},
		"json refused":    {[]string{"text/html, application/json;q=0"}, false},
		"json refused .0": {[]string{"text/html, */*; q=0.000"}, false},
		"another program": {[]string{"application/xml"}, true},
		"a stream":        {[]string{"text/event-stream"}, true},
		"an image":        {[]string{"image/png, image/*;q=0.8"}, true},
		"html refused":    {[]string{"text/html;q=0"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Accept"] = test.accept
			failing(errors.InvalidArgument.New("A bad quantity.").WithViolation("#/qty", "must be positive", "MIN")).ServeHTTP(w, r)
			if got := w.Header().Get("Content-Type") == "application/problem+json"; got != test.json {
				t.Errorf("Content-Type = %q", w.Header().Get("Content-Type"))
			}
			if !test.json && w.Body.String() != "400 Bad Request\n\nA bad quantity.\n#/qty: must be positive\n\ncode: invalid_argument\n" {
				t.Errorf("text = %q", w.Body)
			}
			if w.Code != 400 {
				t.Errorf("status = %d", w.Code)
			}
			if got := w.Header().Get("Vary"); got != "Accept" {
				t.Errorf("Vary = %q", got)
			}
		})
	}
}

func TestVaryOfOthersIsKept(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	failing(errors.NotFound.New("")).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if diff := cmp.Diff([]string{"Origin", "Accept"}, w.Header().Values("Vary")); diff != "" {
		t.Error(diff)
	}
}

// Whatever a caller accepts, it gets one of the two forms.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/html;q=0.1,application/json;q=0", "a/b;q=;q=1,,;", "application/problem+json; q=\"0\""} {
		f.Add(seed)
	}
	handler := failing(errors.NotFound.New("No."))
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Accept"] = []string{accept}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		switch got := w.Header().Get("Content-Type"); {
		case w.Code != 404 || w.Body.Len() == 0:
			t.Errorf("answer = %d %q", w.Code, w.Body)
		case got != "application/problem+json" && got != "text/plain; charset=utf-8":
			t.Errorf("Content-Type = %q", got)
		}
	})
}
