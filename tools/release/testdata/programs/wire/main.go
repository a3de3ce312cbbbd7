// Command wire puts on the wire what services of different releases say to each other, and reads it: package release
// runs it with the modules of the tree and with those of the last release, each on what the other has written.
//
//	wire write DIR          writes DIR/<module>/<fixture>
//	wire read MODULE FILE   prints what it finds in a fixture, one fact a line
//
// A fixture is text, with LF at the end of each line, whatever the protocol has. What is new on the wire gets a new
// fixture here: the program of the last release is given those as well, and must not fail on them.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "write":
		for name, data := range map[string]func() ([]byte, error){
			"errors/all-members":       allMembers,
			"errors/plain":             plain,
			"errors/marked-retryable":  marked,
			"httpserver/unavailable":   unavailable,
			"httpserver/exhausted":     exhausted,
			"httpclient/request":       request,
			"kafka/failure-headers":    failureHeaders,
			"kafka/dead-letter-topics": deadLetterTopics,
			"kafka/topics":             topics,
			"kafka/cluster":            clusterState,
			"kafka/telemetry":          telemetry,
		} {
			if err := writeFixture(filepath.Join(args[1], name), data); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case len(args) == 3 && args[0] == "read":
		data, err := os.ReadFile(args[2])
		if err != nil {
			return err
		}
		switch args[1] {
		case "errors":
			return readDocument(data)
		case "httpserver":
			return readResponse(data)
		case "httpclient":
			return readRequest(data)
		case "kafka":
			return readKafka(filepath.Base(args[2]), data)
		}
		return nil // a module that this release does not know
	}
	return fmt.Errorf("usage: wire write DIR, or wire read MODULE FILE")
}

func writeFixture(name string, make func() ([]byte, error)) error {
	data, err := make()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o666)
}
