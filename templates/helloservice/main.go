// Command helloservice greets people over HTTP.
package main

import (
	"context"
	"os"

	"github.com/backend-platform/sdk/httpclient"
	"github.com/backend-platform/sdk/service"
)

func main() { service.Main(service.Config{}, setup) }

// setup registers what the service runs; SIGTERM stops it in an order that breaks no request.
func setup(_ context.Context, s *service.Service) error {
	client, err := httpclient.New("phrases", httpclient.Config{})
	if err != nil {
		return err
	}
	api := &greetings{phrases: phrases{client, os.Getenv("PHRASES_URL")}}
	s.Handle(api.routes())
	return nil
}
