// Command sdk makes a service of this SDK, and keeps it up to date:
//
//	go run github.com/backend-platform/sdk/cmd/sdk@latest new github.com/acme/orders
//
// A template is a module like any other, so the go command fetches it, with checksums and in every version that was
// ever released. After new, Go files and the README belong to the service; everything else (Dockerfile, deployment, CI,
// linters) is kept in step with the template by upgrade, which merges what changed there with what changed here.
//
//	sdk new       make a service from a template
//	sdk upgrade   bring a service's files to the newest version of its template
//	sdk doctor    say what is behind, retracted, replaced or set wrong
//	sdk version   print the version of this command
//
// Each has a help text with examples: sdk help new.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/backend-platform/sdk/cmd/sdk/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
