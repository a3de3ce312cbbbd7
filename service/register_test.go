package service_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backend-platform/sdk/service"
	"github.com/backend-platform/sdk/service/servicetest"
)

// What is a mistake of the code shows when the service starts, and says what it is.
func TestMistakesOfSetupPanic(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	for want, mistake := range map[string]func(*service.Service){
		`Go("orders"): the name is taken`:        func(s *service.Service) { s.Go("orders", nothing); s.Go("orders", nothing) },
		`OnStop("db"): the name is taken`:        func(s *service.Service) { s.OnStop("db", nothing); s.OnStop("db", nothing) },
		`Go: the name is empty`:                  func(s *service.Service) { s.Go("", nothing) },
		`OnStop("db"): the function`:             func(s *service.Service) { s.OnStop("db", nil) },
		`Handle: the function or handler is nil`: func(s *service.Service) { s.Handle(nil) },
		`there is a handler already`:             func(s *service.Service) { s.Handle(http.NewServeMux()); s.Handle(http.NewServeMux()) },
		`http.DefaultServeMux has what any`:      func(s *service.Service) { s.Handle(http.DefaultServeMux) },
		`Health.Check("cache"): the name is`:     func(s *service.Service) { s.Check("cache", nothing); s.Check("cache", nothing) },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := service.Config{AdminAddr: "-", NoGlobals: true, MemoryRatio: -1}
			cfg.Logging.Output = t.Output()
			err := service.Run(t.Context(), cfg, func(_ context.Context, s *service.Service) error {
				mistake(s)
				return service.ErrStop
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v, want %q", err, want)
			}
		})
	}
}

func TestRegisteringIsForSetup(t *testing.T) {
	said := make(chan string, 1)
	servicetest.Start(t, func(_ context.Context, s *service.Service) error {
		s.Go("late", func(ctx context.Context) error {
			func() {
				defer func() { said <- fmt.Sprint(recover()) }()
				s.Go("later", func(context.Context) error { return nil })
			}()
			<-ctx.Done()
			return nil
		})
		return nil
	})
	if got, want := <-said, `service: Go("later"): setup is over`; got != want {
		t.Errorf("panic = %q, want %q", got, want)
	}
}
