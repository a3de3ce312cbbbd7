package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A realKafka is a broker that this run started, or was given.
type realKafka struct {
	brokers string
	version string
	missing string // why there is none
	stop    func()
}

const kafkaCommand = "../bin/kafka"

// startKafka starts Apache Kafka where what it needs is installed. It ends when its standard input does, and so with
// this process.
func startKafka() *realKafka {
	k := &realKafka{brokers: os.Getenv(brokersEnv), stop: func() {}}
	if k.brokers != "" {
		return k
	}
	if err := k.start(); err != nil {
		k.missing = err.Error()
	}
	return k
}

func (k *realKafka) start() error {
	if _, err := os.Stat(kafkaCommand); err != nil {
		return errors.New("no real Kafka: make bin/kafka builds the command that runs one")
	}
	version, err := exec.Command(kafkaCommand, "version").Output()
	if err != nil {
		return fmt.Errorf("no real Kafka: %w", err)
	}
	cmd := exec.Command(kafkaCommand, "up")
	var log strings.Builder
	cmd.Stderr = &log
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut, cmd.Start()); err != nil {
		return fmt.Errorf("no real Kafka: %w", err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	k.stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	var ok bool
	if k.brokers, ok = strings.CutPrefix(strings.TrimSpace(line), brokersEnv+"="); !ok {
		k.stop()
		k.stop, k.brokers = func() {}, ""
		return fmt.Errorf("no real Kafka: %s", strings.TrimSpace(log.String()))
	}
	k.version = strings.TrimSpace(string(version))
	return nil
}
