package service_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
	"github.com/backend-platform/sdk/logging"
	"github.com/backend-platform/sdk/service"
)

// Example is a whole service. In a main, service.Main(service.Config{}, setup) is all; this one runs until its first caller
// is served, on free ports and without a log.
func Example() {
	err := service.Run(context.Background(), service.Config{
		Name: "hello", Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", DrainDelay: -1, NoGlobals: true,
		Logging: logging.Config{Output: io.Discard},
	}, setup)
	fmt.Println("ended:", err)
	// Output:
	// greeted ann
	// ann's greeting is on its way
	// database closed
	// ended: <nil>
}

func setup(_ context.Context, s *service.Service) error {
	letters := make(chan string, 1)
	s.OnStop("db", func(context.Context) error { fmt.Println("database closed"); return nil })
	s.Go("letters", func(ctx context.Context) error {
		select {
		case name := <-letters:
			fmt.Println(name + "'s greeting is on its way")
			return service.ErrStop // a job that is done; a consumer goes on
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	mux := http.NewServeMux()
	mux.Handle("GET /hello/{name}", httpserver.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		if name == "nobody" {
			return errors.NotFound.New("There is nobody here.")
		}
		fmt.Println("greeted", name)
		letters <- name
		return httpserver.WriteJSON(w, http.StatusOK, map[string]string{"hello": name})
	}))
	s.Handle(mux)
	s.Go("caller", call(mux))
	return nil
}

// call is a client, so that the example has one.
func call(handler http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/hello/ann", nil)
		if err != nil {
			return err
		}
		handler.ServeHTTP(discarded{}, req)
		<-ctx.Done()
		return nil
	}
}

type discarded struct{}

func (discarded) Header() http.Header         { return http.Header{} }
func (discarded) Write(p []byte) (int, error) { return len(p), nil }
func (discarded) WriteHeader(int)             {}
