package cli

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

const versionHelp = `usage: sdk version

Prints the version of this command, and of the Go release that built it. A service's own versions are in its
go.mod and .sdk.json; sdk doctor compares them with what is released.

  go run github.com/backend-platform/sdk/cmd/sdk@latest version
`

func (a *app) version(_ context.Context, args []string) (int, error) {
	if _, err := parse(flag.NewFlagSet("version", flag.ContinueOnError), args, 0); err != nil {
		return exitFailure, err
	}
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintf(a.out, "sdk %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK, nil
}
