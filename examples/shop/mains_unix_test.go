//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// The three services as processes of their own, with nothing but their mains: an order becomes a shipment, and SIGTERM ends
// each with 0.
func TestTheThreeMains(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "./cmd/...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	topics := event.NewTopics("")
	broker := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{topics.Placed: 1, topics.Shipped: 1}})
	brokers := "KAFKA_BROKERS=" + strings.Join(broker.Addrs(), ",")
	inventory := startMain(t, dir, "inventory")
	inventoryURL := "INVENTORY_URL=http://" + inventory.addr
	orders := startMain(t, dir, "orders", brokers, inventoryURL)
	fulfilment := startMain(t, dir, "fulfilment", brokers, inventoryURL)

	if _, err := order(http.DefaultClient, "http://"+orders.addr+"/orders"); err != nil {
		t.Error(err)
	}
	shipped := broker.WaitRecords(t, topics.Shipped, 1)
	placed := broker.Records(t, topics.Placed)
	if len(placed) != 1 || len(shipped) != 1 || !bytes.Equal(placed[0].Key, shipped[0].Key) {
		t.Errorf("%d orders placed, %d shipped: %v %v", len(placed), len(shipped), placed, shipped)
	}
	for _, p := range []*mainProcess{orders, fulfilment, inventory} {
		p.stop(t)
	}
}

type mainProcess struct {
	*exec.Cmd
	addr  string
	lines *bufio.Reader
}

// startMain runs a service until it says that it is ready.
func startMain(t *testing.T, dir, name string, env ...string) *mainProcess {
	t.Helper()
	p := &mainProcess{Cmd: exec.CommandContext(t.Context(), filepath.Join(dir, name))}
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { // What a developer has set is not for the test.
		return strings.HasPrefix(v, "SERVICE_") || strings.HasPrefix(v, "OTEL_")
	})
	p.Env = slices.Concat(own, env,
		[]string{"SERVICE_ADDR=127.0.0.1:0", "SERVICE_ADMIN_ADDR=127.0.0.1:0", "SERVICE_DRAIN_DELAY=0s"})
	p.Stderr = t.Output()
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewReader(stdout)
	line := p.until(t, "service ready")
	if line.Name != name {
		t.Errorf("%s calls itself %q", name, line.Name)
	}
	p.addr = line.Addr
	return p
}

type logLine struct {
	Body, Addr, Cause string
	Name              string `json:"service.name"`
}

// until reads log lines up to one with this text.
func (p *mainProcess) until(t *testing.T, body string) logLine {
	t.Helper()
	var all bytes.Buffer
	for {
		text, err := p.lines.ReadBytes('\n')
		all.Write(text)
		if err != nil {
			t.Fatalf("%s has not said %q: %v\n%s", p.Path, body, err, &all)
		}
		var line logLine
		if json.Unmarshal(text, &line) == nil && line.Body == body {
			return line
		}
	}
}

func (p *mainProcess) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until(t, "service stopped")
	if err := p.Wait(); err != nil {
		t.Errorf("%s: %v", p.Path, err)
	}
}
