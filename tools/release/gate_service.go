package release

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// startTimeout is how long the service may take to listen, and to stop; both take it some milliseconds.
const startTimeout = 30 * time.Second

// gateService: a service outside of the workspace, with a module cache that never saw a sibling, gets every module
// from the proxy, builds with -mod=readonly, runs, answers a request and stops. Programs of the modules are built, too.
func gateService(ctx context.Context, c *candidate) error {
	files, err := c.program(ctx, "", "service")
	if err != nil {
		return err
	}
	requires := map[string]string{}
	var patterns []string
	for _, m := range c.modules() {
		if version := c.versions[m.Path]; version != "" {
			requires[m.Path] = version
			patterns = append(patterns, m.Path+"/...")
		} else if usedBy(m, files) {
			return fmt.Errorf("%s has no release, and a service that uses all modules needs it: release it, too", m.Name)
		}
	}
	files["imports.go"] = c.imports(requires)
	dir, err := c.consumer(ctx, "service", requires, files)
	if err != nil {
		return err
	}
	// A folder as the output takes every program, the modules' too, and each is linked once.
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o777); err != nil {
		return err
	}
	if err := c.build(ctx, dir, []string{"-o", bin}, append(patterns, ".")...); err != nil {
		return fmt.Errorf("a service that uses all modules does not build: %w", err)
	}
	if _, err := c.goCommand(ctx, dir, "vet", "-mod=readonly", "-trimpath", "."); err != nil {
		return err
	}
	if err := checkPins(dir, requires); err != nil {
		return err
	}
	return ask(ctx, filepath.Join(bin, "service"))
}

// imports links the package at the root of every module, so that no module is left out when one is added.
func (c *candidate) imports(requires map[string]string) []byte {
	var b strings.Builder
	b.WriteString("package main\n\nimport (\n")
	for _, m := range c.modules() {
		if requires[m.Path] != "" && importable(m) {
			fmt.Fprintf(&b, "\t_ %q\n", m.Path)
		}
	}
	b.WriteString(")\n")
	return []byte(b.String())
}

// importable reports whether a service can import the package at the root of m.
func importable(m *modproxy.Module) bool {
	if strings.Contains("/"+m.Path+"/", "/internal/") {
		return false
	}
	found := false
	err := m.GoFiles(func(name string) error {
		if filepath.Dir(name) == m.Dir && !strings.HasSuffix(name, "_test.go") {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			found = found || slices.ContainsFunc(strings.Split(string(data), "\n"), func(line string) bool {
				return strings.HasPrefix(line, "package ") && !strings.HasPrefix(line, "package main")
			})
		}
		return nil
	})
	return err == nil && found
}

// checkPins: what the service was built with is what it asked for.
func checkPins(dir string, requires map[string]string) error {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	file, err := modfile.ParseLax("go.mod", data, nil)
	if err != nil {
		return err
	}
	for _, r := range file.Require {
		if want := requires[r.Mod.Path]; want != "" && want != r.Mod.Version {
			return fmt.Errorf("a service that requires %s %s gets %s: a sibling requires a newer one than is released with it", r.Mod.Path, want, r.Mod.Version)
		}
	}
	return nil
}

// ask starts the service, which prints its address, sends one request and stops it.
func ask(ctx context.Context, program string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		err = get(ctx, strings.TrimSpace(address))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the service does not answer: %w", err), cmd.Process.Kill(), cmd.Wait(), errors.New(stderr.String()))
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the service does not stop well: %w\n%s", err, stderr.String())
	}
	return nil
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, body)
	}
	return err
}
