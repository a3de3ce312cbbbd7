package release

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/backend-platform/sdk/tools/modproxy"
)

// gateDiamond: the oldest supported release of each module compiles with the newest of all others. A service upgrades
// one module; what that requires is raised with it, under the feet of modules that the service did not touch. Each
// version is fine by itself, so nothing else finds it (aws-sdk-go-v2#2370 is such a case). The other way round, newest
// with oldest, is what a go.mod's requires say, and gate standalone builds it.
func gateDiamond(ctx context.Context, c *candidate) error {
	var faults []error
	pairs := 0
	for _, m := range c.modules() {
		old := c.oldest(m)
		if old == "" || old == c.versions[m.Path] || len(m.Uses) == 0 {
			continue
		}
		pairs++
		if err := c.buildPair(ctx, m, old); err != nil {
			faults = append(faults, err)
		}
	}
	if pairs == 0 {
		c.logf("      diamond: no module has an older release beside a newer one; gate service builds the newest together")
	}
	return errors.Join(faults...)
}

func (c *candidate) buildPair(ctx context.Context, m *modproxy.Module, old string) error {
	requires := map[string]string{m.Path: old}
	for _, path := range m.Uses {
		if tagged(c.ws.Module(path)) {
			requires[path] = c.versions[path]
		}
	}
	dir, err := c.consumer(ctx, "diamond", requires, map[string][]byte{"doc.go": []byte("// Package diamond is empty.\npackage diamond\n")})
	if err != nil {
		return err
	}
	if err := c.build(ctx, dir, []string{"-o", os.DevNull}, m.Path+"/..."); err != nil {
		var others []string
		for _, path := range m.Uses {
			others = append(others, c.ws.Module(path).Name+" "+requires[path])
		}
		return fmt.Errorf("%s %s, which services may still have, does not compile with %s: keep what it uses as // Deprecated, or retract it: %w",
			m.Name, old, strings.Join(others, ", "), err)
	}
	return nil
}
