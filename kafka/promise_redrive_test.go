package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
)

const (
	// redriverVariable makes this binary a redrive: brokers, topic, group and batch,
	// separated by spaces.
	redriverVariable = "PROMISE_REDRIVER"
	// redriveRecordsVariable is how many dead letters the killed redrive has.
	redriveRecordsVariable = "PROMISE_REDRIVE_RECORDS"
	// redriveLimit is how often that redrive puts a record back.
	redriveLimit = 2
)

// runRedriver puts dead letters back. After each batch it says how many it did, and
// waits for a line on its standard input, or for the end of that.
func runRedriver() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	args := strings.Fields(os.Getenv(redriverVariable))
	batch, err := strconv.Atoi(args[3])
	if err == nil {
		_, err = kafka.Redrive(ctx, strings.Split(args[0], ","), args[1], args[2], kafka.RedriveConfig{
			Batch: batch, MaxRedrives: redriveLimit, Logger: discard,
			OnProgress: func(r kafka.RedriveResult) {
				fmt.Println(r.Redriven + r.Parked)
				_, _ = os.Stdin.Read(make([]byte, 1))
			},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A redrive that is killed again and again, at random points of a batch, and begun
// anew: every record is back or parked, and each kill repeats one batch at most.
func TestPromiseAKilledRedriveLosesNothing(t *testing.T) {
	const partitions, kills = 3, 10
	n, batch := 6_000, 100
	if text := os.Getenv(redriveRecordsVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 6_000 {
			t.Fatalf("%s is %q, want a number from 6000 on", redriveRecordsVariable, text)
		}
		batch = min(n/60, 1_000)
	}
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", partitions)
		c.create(c.dlq(topic), partitions)
		c.forgetRedrives(topic)
		back, hopeless := c.fillDeadLetters(topic, partitions, n)

		killed, last := 0, 0
		for {
			after := -1 // Batches until the kill.
			if killed < kills {
				after = rand.IntN(4)
			}
			done, finished := c.redriveInAProcess(topic, batch, after)
			last += done
			if finished {
				break
			}
			killed++
		}
		if killed < kills {
			t.Errorf("killed %d times, want %d", killed, kills)
		}
		if last > n {
			t.Errorf("the runs committed %d of %d", last, n)
		}
		gotBack, gotParked := c.readAll(topic, partitions), c.readAll(kafka.ParkingTopic(topic, c.group()), partitions)
		repeated := len(gotBack) + len(gotParked) - n
		t.Logf("%d dead letters, %d kills: %d put back, %d parked, of these %d a second time", n, killed, len(gotBack), len(gotParked), repeated)
		if repeated > killed*batch {
			t.Errorf("%d records are there twice after %d kills, want at most a batch of %d for each", repeated, killed, batch)
		}
		if got := distinct(gotBack); !slices.Equal(got, back) {
			t.Errorf("%d different records are back, want %d", len(got), len(back))
		}
		if got := distinct(gotParked); !slices.Equal(got, hopeless) {
			t.Errorf("%d different records are parked, want %d", len(got), len(hopeless))
		}

		begun := time.Now()
		again, err := kafka.Redrive(t.Context(), c.addrs, topic, c.group(), kafka.RedriveConfig{
			Again: true, MaxRedrives: redriveLimit, Connection: kafka.Connection{Dial: c.dial}, Logger: discard,
		})
		if err != nil || again.Redriven != len(back) || again.Parked != len(hopeless) {
			t.Errorf("a run that nobody killed: %+v, %v", again, err)
		}
		took := time.Since(begun)
		t.Logf("a run that nobody killed, in batches of 1000: %v, %.0f/s", took.Round(time.Millisecond), float64(n)/took.Seconds())
	})
}

// A record that fails again whenever it is put back is parked after its limit.
func TestPromiseWhatKeepsFailingIsParked(t *testing.T) {
	promiseInRealTime(t, func(t *testing.T, c *cluster) {
		topic := c.topic("orders", 1)
		c.forgetRedrives(topic)
		cfg := c.config()
		cfg.FloodRatio = -1
		var handled atomic.Int64
		c.run(topic, func(context.Context, *kafka.Record) error {
			handled.Add(1)
			return errors.InvalidArgument.New("No order.")
		}, cfg)
		c.waitMembers(1)
		c.fill(topic, 1, 1, 1)
		for put := range redriveLimit + 1 {
			c.waitDeadLetters(topic, put+1)
			got, err := kafka.Redrive(t.Context(), c.addrs, topic, c.group(), kafka.RedriveConfig{
				MaxRedrives: redriveLimit, Connection: kafka.Connection{Dial: c.dial}, Logger: discard,
			})
			want := kafka.RedriveResult{Redriven: 1}
			if put == redriveLimit {
				want = kafka.RedriveResult{Parked: 1}
			}
			if err != nil || got != want {
				t.Fatalf("run %d: %+v, %v, want %+v", put+1, got, err, want)
			}
		}
		if got := handled.Load(); got != redriveLimit+1 {
			t.Errorf("handled %d times, want %d", got, redriveLimit+1)
		}
		if got := c.held(kafka.ParkingTopic(topic, c.group())); got != 1 {
			t.Errorf("%d records are parked, want 1", got)
		}
	})
}

// fillDeadLetters writes n dead letters. Every hundredth was put back as often as the
// limit says. It returns the values of those that go back and of those to be parked,
// sorted.
func (c *cluster) fillDeadLetters(topic string, partitions, n int) (back, hopeless []string) {
	c.t.Helper()
	now := time.Now()
	records := make([]kafka.Record, n)
	for i := range records {
		source := kafka.ID{Topic: topic, Partition: int32(i % partitions), Offset: int64(i / partitions)}
		f := kafka.Failure{
			Origin: source, Source: source, Group: c.group(), Code: errors.Unavailable, Message: "inventory is down",
			Deliveries: 8, Attempts: 8, Timestamp: now, FirstFailure: now,
		}
		value := strconv.Itoa(i)
		if i%100 == 99 {
			f.Redrives = redriveLimit
			hopeless = append(hopeless, value)
		} else {
			back = append(back, value)
		}
		records[i] = kafka.Record{Topic: c.dlq(topic), Partition: source.Partition, Key: []byte(value), Value: []byte(value), Headers: f.AppendHeaders(nil)}
	}
	c.produce(records...)
	slices.Sort(back)
	slices.Sort(hopeless)
	return back, hopeless
}

// redriveInAProcess lets a process put dead letters back, and kills it at some point of
// the batch after so many batches; negative: never. It says how many the process said it did, and
// whether it came to its end.
func (c *cluster) redriveInAProcess(topic string, batch, killAfter int) (done int, finished bool) {
	c.t.Helper()
	redriver := exec.Command(os.Args[0])
	redriver.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %d", redriverVariable, strings.Join(c.addrs, ","), topic, c.group(), batch))
	redriver.Stderr = os.Stderr
	out, err := redriver.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	goOn, err := redriver.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := redriver.Start(); err != nil {
		c.t.Fatal(err)
	}
	if killAfter < 0 {
		_ = goOn.Close()
	}
	defer func() { _ = redriver.Process.Kill() }()
	lines := bufio.NewScanner(out)
	for batches := 0; ; batches++ {
		if batches > 0 {
			_, _ = goOn.Write([]byte{'\n'}) // Fails where it is not waited for.
		}
		if batches == killAfter {
			c.pass(rand.N(1 + rand.N(20*time.Millisecond))) // More often early in the batch.
			_ = redriver.Process.Kill()
		}
		if !lines.Scan() {
			break
		}
		if done, err = strconv.Atoi(lines.Text()); err != nil {
			c.t.Fatalf("the redrive said %q", lines.Text())
		}
	}
	err = redriver.Wait()
	if err != nil && killAfter < 0 {
		c.t.Fatalf("the redrive that nobody killed: %v", err)
	}
	return done, err == nil
}

// forgetRedrives deletes, after the test, what redrives of the topic remember.
func (c *cluster) forgetRedrives(topic string) {
	if c.fake != nil {
		return
	}
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := c.admin.DeleteGroups(ctx, "redrive."+c.dlq(topic)); err != nil {
			c.t.Logf("clean up: %v", err)
		}
	})
}

func distinct(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}
