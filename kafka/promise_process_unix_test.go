//go:build unix

package kafka_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/kafka"
)

// A process that is stopped (a paused virtual machine, a laptop's lid) for longer
// than its session, in the middle of a record, and goes on: what it completes late
// does not count.
func TestPromiseAProcessThatWasStoppedIsFenced(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.shortSessions()
		member := exec.Command(os.Args[0])
		member.Env = append(os.Environ(), memberVariable+"="+strings.Join(c.addrs, ",")+" "+c.group()+" "+topic)
		member.Stderr = os.Stderr
		out, err := member.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := member.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = member.Process.Kill()
			_ = member.Wait()
		}()
		c.waitMembers(1)
		c.fill(topic, 1, 10, 10)
		c.waitCommitted(topic, 0, 10)
		c.produce(kafka.Record{Topic: topic, Key: []byte("slow"), Value: []byte("slow")})
		c.fill(topic, 1, 10, 10)
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "begun\n" {
			t.Fatalf("the member said %q, %v", line, err)
		}
		if err := member.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		c.run(topic, func(context.Context, *kafka.Record) error { return nil }, c.config())
		c.waitCommitted(topic, 0, 21)
		c.fill(topic, 1, 10, 100)
		c.waitCommitted(topic, 0, 121)
		if err := member.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		c.waitMembers(2)
		c.pass(3 * time.Second)
		if at := c.committed(topic, 0); at != 121 {
			t.Errorf("set back from 121 to %d", at)
		}
		c.fill(topic, 1, 10, 10)
		c.waitCommitted(topic, 0, 131)
	})
}
