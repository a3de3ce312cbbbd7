package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/backend-platform/sdk/errors"
)

// lastFlush is how long telemetry has after a second signal.
const lastFlush = time.Second

// stopping is a stop that is under way.
type stopping struct {
	*Service
	budget budget
	began  time.Time // of StopTimeout
	phases []zap.Field
	open   []string // what was left at its bound
	faults []error
}

// stop does each step in its order, whatever comes of those before it, and returns everything that went wrong.
func (s *Service) stop(runnersEnd context.CancelFunc) error {
	p := &stopping{Service: s, budget: s.budget()}
	p.fault(s.halt.cause.err)
	p.phase("drain_delay", p.announce)
	p.began = time.Now()
	p.phase("http", p.endServer)
	p.phase("setup", p.endSetup)
	p.phase("runners", func() { p.endRunners(runnersEnd) })
	p.phase("on_stop", p.callHooks)
	var lost error
	p.phase("flush", func() { lost = p.flush() })
	p.fault(s.admin.close())
	return p.conclude(lost)
}

func (p *stopping) phase(name string, do func()) {
	began := time.Now()
	do()
	p.phases = append(p.phases, zap.Duration(name, time.Since(began)))
}

// endSetup waits for a setup that was cut off by the stop. What it then says is no failure.
func (p *stopping) endSetup() {
	if p.setup == nil || p.started {
		return
	}
	if !p.halt.within(p.left(p.budget.runners), p.setup.done) {
		p.remains("setup")
	} else if err := p.setup.err; err != nil && p.halt.cause.err == nil {
		p.logger.Info("setup was cut off", zap.Error(err))
	}
	p.seal()
}

// fault notes an error, once: a cause is often a runner's error, too.
func (p *stopping) fault(err error) {
	if err != nil && !slices.Contains(p.faults, err) {
		p.faults = append(p.faults, err)
	}
}

// left is what remains until a bound that is counted from the end of the drain delay.
func (p *stopping) left(bound time.Duration) time.Duration { return bound - time.Since(p.began) }

// announce tells everybody who can know, and goes on for the drain delay.
func (p *stopping) announce() {
	p.health.SetReady(false)
	close(p.draining)
	p.logger.Info("service stopping", zap.String("cause", p.halt.cause.text))
	if !p.started {
		return
	}
	var failed <-chan struct{}
	if p.server != nil {
		p.server.StartDraining()
		failed = p.server.task.done
	}
	if !p.halt.cause.quick {
		p.halt.within(p.cfg.drainDelay(p.server != nil), failed)
	}
}

// endServer stops accepting and waits for requests.
func (p *stopping) endServer() {
	switch {
	case p.server == nil:
		return
	case p.server.task == nil: // bound, and never served
		p.fault(p.server.Close())
		return
	}
	p.server.end()
	if !p.halt.within(p.left(p.budget.http+lastGrace), p.server.task.done) {
		_ = p.server.Close()
		p.halt.within(lastGrace, p.server.task.done)
	}
	if !isClosed(p.server.task.done) {
		p.remains("http requests")
		return
	}
	if err := p.server.task.err; err != nil {
		p.open = append(p.open, "http requests")
		p.fault(err)
	}
}

// endRunners ends the runners' contexts, and waits for all of them together.
func (p *stopping) endRunners(end context.CancelFunc) {
	end()
	if !p.started {
		return
	}
	for _, r := range p.runners {
		if !p.halt.within(p.left(p.budget.runners), r.task.done) {
			p.remains(fmt.Sprintf("runner %q", r.name))
			p.logger.Error("a runner does not end", zap.String("runner", r.name), zap.String("stacks", stacksOf(r.name)))
			continue
		}
		p.fault(r.task.err)
	}
}

// callHooks calls the functions of OnStop. One that hangs costs the others their time, and not their call.
func (p *stopping) callHooks() {
	p.mu.Lock()
	hooks := p.hooks
	p.mu.Unlock()
	for i, h := range slices.Backward(hooks) {
		share := p.left(p.budget.stop) / time.Duration(i+1)
		// The context ends a little before the wait, so that one that obeys it can say so.
		ctx, cancel := context.WithTimeout(p.halt.hurry, share*19/20)
		t := spawn(func() error { return h.stop(ctx) })
		if !p.halt.within(share, t.done) {
			p.remains(fmt.Sprintf("OnStop %q", h.name))
		} else if t.err != nil {
			p.fault(fmt.Errorf("OnStop %q: %w", h.name, t.err))
		}
		cancel()
	}
}

// remains notes what has not ended at its bound.
func (p *stopping) remains(what string) {
	p.open = append(p.open, what)
	p.fault(fmt.Errorf("%s did not end in time", what))
}

// flush sends the last telemetry, and returns what was lost.
func (p *stopping) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.FlushTimeout)
	defer cancel()
	defer context.AfterFunc(p.halt.hurry, func() {
		timer := time.AfterFunc(lastFlush, cancel)
		<-ctx.Done()
		timer.Stop()
	})()
	return p.telemetry.Shutdown(ctx)
}

// conclude writes the last line.
func (p *stopping) conclude(lost error) error {
	if p.halt.hurry.Err() != nil {
		p.fault(errors.New("a second signal cut the stop short"))
	}
	err := errors.Join(p.faults...)
	fields := []zap.Field{
		zap.String("cause", p.halt.cause.text),
		zap.Duration("uptime", time.Since(p.Service.began)),
		zap.Dict("phases", p.phases...),
	}
	if len(p.open) > 0 {
		fields = append(fields, zap.Strings("open", p.open))
	}
	if lost != nil {
		fields = append(fields, zap.NamedError("telemetry", lost))
	}
	switch {
	case err != nil:
		p.logger.Error("service stopped", append(fields, zap.Error(err))...)
	case lost != nil:
		p.logger.Warn("service stopped", fields...)
	default:
		p.logger.Info("service stopped", fields...)
	}
	return err
}
