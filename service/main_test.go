package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/service"
	"github.com/backend-platform/sdk/tracing"
)

// processKey makes the test binary a service, of the kind that is its value.
const processKey = "SERVICE_TEST_PROCESS"

func TestMain(m *testing.M) {
	kind := os.Getenv(processKey)
	if kind == "" {
		os.Exit(m.Run())
	}
	if delay := bare[kind]; delay != nil {
		serveBare(delay)
		return
	}
	cfg := service.Config{Name: "process", Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0"}
	cfg.HTTP = httpserver.Config{CertFile: os.Getenv("TEST_CERT"), KeyFile: os.Getenv("TEST_KEY"), NoAccessLog: true}
	service.Main(cfg, kinds[kind])
}

// kinds are the services that a test starts.
var kinds = map[string]func(context.Context, *service.Service) error{
	"serve": func(_ context.Context, s *service.Service) error {
		s.Handle(orders())
		return nil
	},
	"job": func(_ context.Context, s *service.Service) error {
		s.Go("job", func(context.Context) error { return service.ErrStop })
		return nil
	},
	"runner fails": func(_ context.Context, s *service.Service) error {
		s.Go("orders", func(context.Context) error { return errors.New("fenced") })
		return nil
	},
	"runner ends": func(_ context.Context, s *service.Service) error {
		s.Go("orders", func(context.Context) error { return nil })
		return nil
	},
	"runner panics": func(_ context.Context, s *service.Service) error {
		s.Go("orders", func(context.Context) error { panic("nil map") })
		return nil
	},
	"goroutine panics": func(_ context.Context, s *service.Service) error {
		s.Go("orders", func(context.Context) error {
			go panic("nobody can recover this")
			select {}
		})
		return nil
	},
	"setup fails":  func(context.Context, *service.Service) error { return errors.New("no database") },
	"setup panics": func(context.Context, *service.Service) error { panic("nil map") },
	"setup waits": func(ctx context.Context, _ *service.Service) error {
		<-ctx.Done()
		return ctx.Err()
	},
	"runner hangs": func(_ context.Context, s *service.Service) error {
		s.Go("orders", hangForever)
		return nil
	},
	"spans": func(ctx context.Context, s *service.Service) error {
		for range 2000 {
			_, span := tracing.Start(ctx, "work")
			span.End(nil)
		}
		s.Handle(orders())
		return nil
	},
}

func hangForever(context.Context) error {
	fmt.Println("hangs")
	select {}
}

func orders() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond)
		_, _ = io.WriteString(w, "placed")
	})
	// Package logging survives a broken pipe by itself; whatever else writes to standard output does not.
	mux.HandleFunc("POST /print", func(http.ResponseWriter, *http.Request) { fmt.Println("printed") })
	return mux
}
