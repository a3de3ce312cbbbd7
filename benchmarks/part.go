package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// groupEnv makes this program measure one group, for another process of it.
	groupEnv = "BENCHMARKS_GROUP"
	// partEnv names the file for the results of that group.
	partEnv = "BENCHMARKS_PART"
	// partsFolder keeps what was measured before all was.
	partsFolder = "../bin/benchmarks-parts"
	// groupLimit is how long a group may take before it is given up.
	groupLimit = 8 * time.Minute
)

// part is what a group's process leaves behind, row by row.
type part struct {
	Program string        `json:"program"` // which build measured, and what it was asked for
	Rows    []result      `json:"rows"`
	Done    bool          `json:"done"`
	Took    time.Duration `json:"took"`
}

func partFile(g group) string {
	return filepath.Join(partsFolder, strings.ReplaceAll(g.name, " ", "-")+".json")
}

func readPart(g group) (p part, err error) {
	text, err := os.ReadFile(partFile(g))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(text, &p)
}

// measureGroup is the other process: it prints each row and keeps it. A row that fails is no reason to leave out the next.
func measureGroup(g group, o options) error {
	p, begin := part{Program: fingerprint(o)}, time.Now()
	for _, t := range g.tasks(o.choice) {
		r, err := t.measure(o.pace())
		if err != nil {
			r = t.row.notMeasuredHere("the row failed")
			r.Failed = err.Error()
		}
		r.Group = g.name
		fmt.Print(r.text())
		p.Rows = append(p.Rows, r)
		if err := p.write(); err != nil {
			return err
		}
	}
	p.Done, p.Took = true, time.Since(begin)
	return p.write()
}

func (p part) write() error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv(partEnv), text, 0o644)
}

// fingerprint is of the build of this program, and of what it was asked to measure.
func fingerprint(o options) string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%v %q %q\n", o.pace(), o.choice.rows, o.choice.peers)
	if self, err := os.Executable(); err == nil {
		if f, err := os.Open(self); err == nil {
			defer f.Close()
			_, _ = io.Copy(hash, f)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// inProcess measures a group in a process of its own. What that did not get to is in the part as failed.
func inProcess(ctx context.Context, g group, o options, brokers string, limit time.Duration) (part, error) {
	self, err := os.Executable()
	if err != nil {
		return part{}, err
	}
	if err := os.MkdirAll(partsFolder, 0o755); err != nil {
		return part{}, err
	}
	_ = os.Remove(partFile(g))
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), groupEnv+"="+g.name, partEnv+"="+partFile(g), brokersEnv+"="+brokers)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return part{}, ctx.Err()
	}
	if runErr == nil {
		return readPart(g)
	}
	p, _ := readPart(g) // it may have ended before its first row
	why := fmt.Sprintf("the process of the group ended: %v", runErr)
	if limited.Err() != nil {
		why = fmt.Sprintf("the group took longer than %v", limit)
	}
	for _, t := range g.tasks(o.choice)[len(p.Rows):] {
		r := t.row.notMeasuredHere(why)
		r.Group, r.Failed = g.name, why
		p.Rows = append(p.Rows, r)
	}
	return p, nil
}
