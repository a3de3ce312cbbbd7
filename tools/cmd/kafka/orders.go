package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// nodes is the part of a cluster that orders are about.
type nodes interface {
	Nodes() []int
	Kill(ids ...int) error
	Restart(ctx context.Context, ids ...int) error
	Pause(ids ...int) error
	Continue(ids ...int) error
}

// obey carries out the orders of in and answers each on out. It returns when ctx or in ends, or an order says stop.
func obey(ctx context.Context, cluster nodes, in io.Reader, out io.Writer) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			select {
			case lines <- strings.TrimSpace(scanner.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case line, ok := <-lines:
			if !ok || line == "stop" {
				return
			}
			if line == "" {
				continue
			}
			if err := carryOut(ctx, cluster, line); err != nil {
				// One line, also where the error has many.
				fmt.Fprintf(out, "error %s: %q\n", line, err)
				continue
			}
			fmt.Fprintln(out, "ok", line)
		}
	}
}

func carryOut(ctx context.Context, cluster nodes, line string) error {
	words := strings.Fields(line)
	ids, err := parseNodes(cluster, words[1:])
	if err != nil {
		return err
	}
	switch words[0] {
	case "kill":
		return cluster.Kill(ids...)
	case "start":
		return cluster.Restart(ctx, ids...)
	case "pause":
		return cluster.Pause(ids...)
	case "continue":
		return cluster.Continue(ids...)
	}
	return fmt.Errorf("unknown order: want kill, start, pause or continue with nodes, or stop")
}

func parseNodes(cluster nodes, words []string) ([]int, error) {
	if len(words) == 1 && words[0] == "all" {
		return cluster.Nodes(), nil
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("which nodes? Their numbers, or all")
	}
	var ids []int
	for _, word := range words {
		id, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%q is no number of a node", word)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
