package release

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A gate is one thing that must hold of a candidate. Its error says what is wrong, where, and what to do.
type gate struct {
	name string
	run  func(context.Context, *candidate) error
}

// committed are the gates that need the tree alone; a release passes them before it changes anything.
var committed = []gate{
	{"go.mod", gateGoMod},
	{"requires", gateRequires},
	{"go.sum", gateGoSum},
	{"changelog", gateChangelog},
	{"defaults", gateDefaults},
	{"tidy", gateTidy},
}

// served are the gates that see the modules as services get them.
var served = []gate{
	{"go.sum", gateGoSum},
	{"standalone", gateStandalone},
	{"api", gateAPI},
	{"budget", gateBudget},
	{"service", gateService},
	{"diamond", gateDiamond},
	{"wire", gateWire},
}

// pass runs the gates. One that fails does not keep the others from being run: all faults are returned, joined.
func (c *candidate) pass(ctx context.Context, gates []gate) error {
	var faults []error
	for _, g := range gates {
		start := time.Now()
		err := g.run(ctx, c)
		if ctx.Err() != nil {
			return errors.Join(append(faults, ctx.Err())...)
		}
		mark := "ok  "
		if err != nil {
			mark = "FAIL"
			faults = append(faults, fmt.Errorf("gate %s: %w", g.name, err))
		}
		c.logf("%s  %-10s %5.1fs", mark, g.name, time.Since(start).Seconds())
	}
	return errors.Join(faults...)
}
