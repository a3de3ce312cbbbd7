package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A fleet is the consumer processes of a group, each in its slot, where it is
// started again whenever it has ended, as an orchestrator would do it.
type fleet struct {
	dir   string // of journals and logs
	base  consumerConfig
	slots int
	say   func(format string, args ...any)

	mu      sync.Mutex
	program []string   // by slot
	running []*process // by slot; nil: not now
	all     []*process
	closed  bool
	work    sync.WaitGroup
}

// A process is one life of a consumer.
type process struct {
	slot, life int
	journal    string
	log        string
	killed     bool   // by us; guarded, as told is, by the fleet's mutex while it runs
	told       bool   // to stop
	failed     string // why it ended, if that was not our doing
	ended      time.Time

	cmd   *exec.Cmd
	input io.Closer
}

// livesAt reports whether the process had not ended at a time of its journal.
func (p *process) livesAt(nanos int64) bool { return p.ended.IsZero() || p.ended.UnixNano() > nanos }

func (p *process) String() string { return fmt.Sprintf("consumer %d.%d", p.slot+1, p.life) }

// start lets every slot have its process until ctx ends or the fleet is stopped.
// rest is how long a slot stays empty after a kill.
func (f *fleet) start(ctx context.Context, rest func() time.Duration) {
	f.running = make([]*process, f.slots)
	for slot := range f.slots {
		f.work.Go(func() {
			for life := 1; ; life++ {
				p, err := f.launch(slot, life)
				if err != nil {
					f.say("consumer %d does not start: %v", slot+1, err)
					return
				}
				if p == nil {
					return
				}
				f.await(p)
				if !sleep(ctx, rest()) {
					return
				}
			}
		})
	}
}

// launch starts a process, or returns nil when the fleet is being stopped.
func (f *fleet) launch(slot, life int) (*process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil
	}
	name := filepath.Join(f.dir, fmt.Sprintf("consumer-%d.%d", slot+1, life))
	p := &process{slot: slot, life: life, journal: name + ".journal", log: name + ".log"}
	cfg := f.base
	cfg.journal = p.journal
	cfg.seed += uint64(slot)<<32 | uint64(life)
	if slot == 0 {
		// One is a static member of the group, which takes its partitions again when
		// it is back; the others are new members each time.
		cfg.instance = "chaos"
	}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(f.program[slot], cfg.args()...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	f.running[slot] = p
	f.all = append(f.all, p)
	return p, nil
}

// install says what is started next in a slot.
func (f *fleet) install(slot int, program string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.program[slot] = program
}

// await waits for the end of a process and notes one that is not our doing.
func (f *fleet) await(p *process) {
	err := p.cmd.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[p.slot], p.ended = nil, time.Now()
	if !p.killed && (err != nil || !p.told) {
		p.failed = fmt.Sprintf("%v: %s", p.cmd.ProcessState, lastLine(p.log))
		f.say("%v ended by itself: %s", p, p.failed)
	}
}

// kill ends the process in a slot with SIGKILL, and reports whether there was
// one.
func (f *fleet) kill(slot int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.running[slot]
	if p == nil || p.killed {
		return false
	}
	p.killed = p.cmd.Process.Kill() == nil
	return p.killed
}

// stopOne lets the process in a slot finish, as a deployment does, and reports
// whether there was one.
func (f *fleet) stopOne(slot int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.running[slot]
	if p == nil || p.killed || p.told {
		return false
	}
	p.told = true
	p.input.Close()
	return true
}

// runs reports whether there is a process in a slot that was not told to stop.
func (f *fleet) runs(slot int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.running[slot]
	return p != nil && !p.told
}

// stopTimeout is well above what a consumer promises to need for a stop.
const stopTimeout = time.Minute

// stop lets the processes finish, and returns when they have. One that does not
// is killed, and counts as one that failed.
func (f *fleet) stop() {
	f.each(func(p *process) {
		p.told = true
		p.input.Close()
	})
	timeout := time.AfterFunc(stopTimeout, func() {
		f.each(func(p *process) { _ = p.cmd.Process.Kill() })
	})
	defer timeout.Stop()
	f.work.Wait()
}

// each calls end for each process that runs, and lets none start any more.
func (f *fleet) each(end func(*process)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, p := range f.running {
		if p != nil {
			end(p)
		}
	}
}

func lastLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
