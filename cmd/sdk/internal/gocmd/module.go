package gocmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// A Module is one that was downloaded.
type Module struct {
	// Path is the module path.
	Path string
	// Version is the version that a query such as "latest" stands for.
	Version string
	// Dir is its folder in the module cache, which is read-only.
	Dir string
	// Error is what kept it from being downloaded.
	Error string
}

// Download fetches a module into the module cache; the go command checks its hash. The query is a version, or what
// the go command takes for one ("latest", "v0.3"). It does not look at the module or workspace around the current folder.
func (r *Runner) Download(ctx context.Context, path, query string) (Module, error) {
	// In a folder of its own, no go.mod has a replace or a require that decides.
	dir, err := os.MkdirTemp("", "sdk-download-")
	if err != nil {
		return Module{}, err
	}
	defer os.RemoveAll(dir)
	out, runErr := r.Run(ctx, dir, outside, "mod", "download", "-json", path+"@"+query)
	var m Module
	if err := json.Unmarshal(out, &m); err != nil && runErr == nil {
		return Module{}, fmt.Errorf("go mod download: %w", err)
	}
	if m.Error != "" {
		return m, r.explain(ctx, path, query, m.Error)
	}
	if runErr != nil {
		return m, r.explain(ctx, path, query, runErr.Error())
	}
	return m, nil
}

// outside is the environment of a go command that looks at no workspace and may resolve versions.
var outside = []string{"GOWORK=off", "GOFLAGS=-mod=mod"}

// A FetchError is a module that could not be fetched.
type FetchError struct {
	// Path and Query are what was asked for.
	Path, Query string
	// Unreachable is true when no proxy answered; otherwise it is the module or version that is not there.
	Unreachable bool
	// OldGo is true when the module needs a newer Go than may be run.
	OldGo bool
	// Proxy is the GOPROXY that was asked.
	Proxy string
	// Reason is what the go command said.
	Reason string
}

// Error says what to do next.
func (e *FetchError) Error() string {
	if e.OldGo {
		return fmt.Sprintf("%s@%s needs a newer Go: install one from https://go.dev/dl/, or set GOTOOLCHAIN=auto, which fetches it\n  %s", e.Path, e.Query, e.Reason)
	}
	if e.Unreachable {
		return fmt.Sprintf("cannot fetch %s@%s: no module proxy answers (GOPROXY=%s): check the network, or set GOPROXY to a proxy "+
			"that can be reached\n  %s", e.Path, e.Query, e.Proxy, e.Reason)
	}
	return fmt.Sprintf("cannot fetch %s@%s: there is no such module or version at GOPROXY=%s\n  %s", e.Path, e.Query, e.Proxy, e.Reason)
}

// unreachable are words of the go command and of the net package for a proxy that does not answer. They are texts,
// because the go command gives nothing else; a new wording only costs the better advice.
var unreachable = []string{
	"dial tcp", "no such host", "connection refused", "i/o timeout", "network is unreachable", "TLS handshake timeout",
	"module lookup disabled by GOPROXY=off", "Temporary failure in name resolution", "Could not resolve host", "proxyconnect", "deadline exceeded",
}

func (r *Runner) explain(ctx context.Context, path, query, reason string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	e := &FetchError{Path: path, Query: query, Reason: strings.ReplaceAll(strings.TrimSpace(reason), "\n", "\n  ")}
	if env, err := r.Env(ctx, "", "GOPROXY"); err == nil {
		e.Proxy = env["GOPROXY"]
	}
	e.OldGo = strings.Contains(reason, "requires go >= ")
	for _, words := range unreachable {
		e.Unreachable = e.Unreachable || strings.Contains(reason, words)
	}
	return e
}
