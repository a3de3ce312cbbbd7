// Command helloservice greets people over HTTP.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/backend-platform/sdk/httpclient"
)

func main() {
	if err := run("helloservice", setup); err != nil {
		slog.Error("helloservice ended", "error", err)
		os.Exit(1)
	}
}

func setup(_ context.Context, a *app) error {
	client, err := httpclient.New("phrases", httpclient.Config{})
	if err != nil {
		return err
	}
	api := &greetings{phrases: phrases{client, os.Getenv("PHRASES_URL")}}
	a.handle(api.routes())
	return nil
}
