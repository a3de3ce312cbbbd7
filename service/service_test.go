package service_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/backend-platform/sdk/service"
	"github.com/backend-platform/sdk/service/servicetest"
)

func TestServesItsHandlerAndItsProbes(t *testing.T) {
	s := servicetest.Start(t, func(_ context.Context, s *service.Service) error {
		s.Handle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
		return nil
	})
	for url, want := range map[string]int{s.URL() + "/": 200, s.URL() + "/readyz": 200, s.AdminURL() + "/readyz": 200,
		s.AdminURL() + "/livez": 200, s.AdminURL() + "/debug/sdk": 200, s.AdminURL() + "/debug/loglevel": 200} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", url, res.StatusCode, want)
		}
	}
}
