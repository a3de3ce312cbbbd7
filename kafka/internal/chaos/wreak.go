package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const consumers = 3

// chaos is one run.
type chaos struct {
	cfg          config
	dir          string
	log          *slog.Logger
	begin        time.Time
	brokers      []string
	cluster      *cluster // nil: not ours to kill
	topic, group string
	fleet        *fleet
	peace, calm  chan struct{} // closed when nothing is killed, and when nothing is stopped any more

	mu            sync.Mutex // of the output and the counts
	timeline      *os.File
	consumerKills int
	consumerStops int
	brokerKills   int
	outages       int

	outage       [2]time.Time // when there was no broker
	brokersError error
}

// wreak does one run from the start of the cluster to the verdict.
func wreak(ctx context.Context, cfg config) error {
	dir, err := os.MkdirTemp("", "kafka-chaos-")
	if err != nil {
		return err
	}
	c := &chaos{cfg: cfg, dir: dir, brokers: cfg.brokers, peace: make(chan struct{}), calm: make(chan struct{})}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("seed %d: %w\nthe logs are in %s", cfg.seed, err, dir)
	}
	return os.RemoveAll(dir)
}

func (c *chaos) run(ctx context.Context) (err error) {
	if c.timeline, err = os.Create(filepath.Join(c.dir, "timeline")); err != nil {
		return err
	}
	defer c.timeline.Close()
	log, err := os.Create(filepath.Join(c.dir, "chaos.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.log = slog.New(slog.NewTextHandler(log, nil))
	if len(c.brokers) == 0 {
		if c.cluster, err = startCluster(ctx, c.cfg.cluster); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.cluster.stop()) }()
		c.brokers = c.cluster.brokers
	}
	c.begin = time.Now()
	suffix := strings.ToLower(rand.Text()[:8])
	c.topic, c.group = "chaos."+suffix, "chaos-"+suffix
	c.say("seed %d, %d records, topic %s on %s", c.cfg.seed, c.cfg.records, c.topic, strings.Join(c.brokers, ","))
	if err := c.createTopic(ctx); err != nil {
		return err
	}
	defer c.deleteTopics(context.WithoutCancel(ctx))
	return c.consumeInChaos(ctx)
}

// consumeInChaos writes, consumes and kills until everything is committed, and
// judges.
func (c *chaos) consumeInChaos(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c.fleet = &fleet{
		program: slices.Repeat([]string{cmp.Or(c.cfg.from, program)}, consumers), dir: c.dir, slots: consumers, say: c.say,
		base: consumerConfig{brokers: strings.Join(c.brokers, ","), topic: c.topic, group: c.group, seed: c.cfg.seed, fast: c.cfg.fast},
	}
	w := &writer{
		topic: c.topic, items: items(c.cfg.seed, c.cfg.records), random: c.random(3), duration: c.duration(),
		peace: c.peace, calm: c.calm,
	}
	c.fleet.start(context.WithoutCancel(ctx), c.rest())
	defer c.fleet.stop()
	var wg sync.WaitGroup
	var writeErr error
	wg.Go(func() { writeErr = w.write(ctx, c.brokers, c.log) })
	wg.Go(func() { c.killConsumers(ctx) })
	c.killBrokers(ctx)
	close(c.peace)
	c.deploy(ctx, program)
	close(c.calm)
	wg.Wait()
	if err := errors.Join(ctx.Err(), writeErr, c.brokersError); err != nil {
		return err
	}
	c.say("everything is written")
	lag := c.awaitCommits(ctx)
	c.fleet.stop()
	ev, err := collect(ctx, c.brokers, c.topic, c.group, c.fleet.all, c.log)
	if err != nil {
		return err
	}
	ev.acked, ev.uncertain = w.acked, w.uncertain
	v := judge(ev)
	failures, excused := c.failures()
	v.faults = slices.Concat(lag, failures, v.faults)
	c.report(w, v, excused)
	if len(v.faults) > 0 {
		return fmt.Errorf("%d things do not hold", len(v.faults))
	}
	return nil
}

// duration is how long records are written for, about; it does not count when
// the kills take longer.
func (c *chaos) duration() time.Duration {
	if c.cfg.short {
		return 45 * time.Second
	}
	return 150 * time.Second
}

func (c *chaos) random(stream uint64) *mathrand.Rand {
	return mathrand.New(mathrand.NewPCG(c.cfg.seed, stream))
}

// rest returns what decides how long a consumer is away after its end. Half of
// the time that is longer than its session lasts: the others get its partitions,
// and have to give them up again when it is back.
func (c *chaos) rest() func() time.Duration {
	random := c.random(4)
	var mu sync.Mutex
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		rest := time.Duration(random.IntN(1000)) * time.Millisecond
		if random.IntN(2) == 0 {
			rest += sessionTimeout + time.Second
		}
		return rest
	}
}

// killConsumers kills one every few seconds until peace; instead of one in four
// kills it stops one in order.
func (c *chaos) killConsumers(ctx context.Context) {
	random := c.random(5)
	for {
		wait := time.Duration(3000+random.IntN(5000)) * time.Millisecond
		slot, orderly := random.IntN(consumers), random.IntN(4) == 0
		select {
		case <-c.peace:
			return
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		switch {
		case orderly && c.fleet.stopOne(slot):
			c.count(&c.consumerStops)
			c.say("stopped consumer %d", slot+1)
		case !orderly && c.fleet.kill(slot):
			c.count(&c.consumerKills)
			c.say("killed consumer %d", slot+1)
		}
	}
}

// deploy stops and starts all consumers, one after the other, while there is
// work: partitions move between processes that live, and nothing may be handled
// twice for that.
func (c *chaos) deploy(ctx context.Context, program string) {
	for slot := range consumers {
		c.fleet.install(slot, program)
		for !c.fleet.stopOne(slot) {
			if !sleep(ctx, 100*time.Millisecond) { // It is away.
				return
			}
		}
		c.count(&c.consumerStops)
		c.say("stopped consumer %d, for a deployment", slot+1)
		for !c.fleet.runs(slot) {
			if !sleep(ctx, 100*time.Millisecond) {
				return
			}
		}
		if !sleep(ctx, 5*time.Second) {
			return
		}
	}
}

// killBrokers kills brokers one after the other, and then all at once, and
// returns when they are back. Without a cluster of its own it lets the time pass
// in which consumers are killed.
func (c *chaos) killBrokers(ctx context.Context) {
	if c.cluster == nil {
		sleep(ctx, c.duration())
		return
	}
	random := c.random(6)
	turns := random.Perm(len(c.brokers))
	if c.cfg.short {
		turns = turns[:1]
	}
	down := func(who string, count *int) bool {
		if !sleep(ctx, time.Duration(3000+random.IntN(4000))*time.Millisecond) {
			return false
		}
		if c.brokersError = c.cluster.order("kill " + who); c.brokersError != nil {
			return false
		}
		c.count(count)
		c.say("killed broker %s", who)
		if !sleep(ctx, time.Duration(1000+random.IntN(5000))*time.Millisecond) {
			return false
		}
		if c.brokersError = c.cluster.order("start " + who); c.brokersError != nil {
			return false
		}
		c.say("started broker %s", who)
		return true
	}
	for _, turn := range turns {
		if !down(fmt.Sprint(turn+1), &c.brokerKills) {
			return
		}
	}
	c.outage[0] = time.Now()
	if down("all", &c.outages) {
		c.outage[1] = time.Now()
		sleep(ctx, 5*time.Second)
	}
}

func (c *chaos) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// say prints a line with the time and keeps it with the logs.
func (c *chaos) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line := fmt.Sprintf("%6.1fs  %s\n", time.Since(c.begin).Seconds(), fmt.Sprintf(format, args...))
	fmt.Print(line)
	_, _ = c.timeline.WriteString(line)
}

// stalled is how long a group may take without any progress, with nobody killed
// any more.
const stalled = 90 * time.Second

// awaitCommits waits until the group has committed everything. It returns what
// is missing when that does not come.
func (c *chaos) awaitCommits(ctx context.Context) []string {
	var best int64
	changed := time.Now()
	for {
		committed, end, err := progress(ctx, c.brokers, c.topic, c.group)
		if err == nil && reached(committed, end) {
			c.say("everything is committed")
			return nil
		}
		var sum int64
		for _, offset := range committed {
			sum += offset
		}
		if sum > best {
			best, changed = sum, time.Now()
		}
		if time.Since(changed) > stalled {
			return []string{fmt.Sprintf("the group stands still: committed %v, ends %v (%v)", committed, end, err)}
		}
		if !sleep(ctx, 500*time.Millisecond) {
			return []string{"interrupted before everything was committed"}
		}
	}
}

// failures returns the processes that ended without being killed, and counts
// those that may do that: they were started while there was no broker.
func (c *chaos) failures() (faults []string, excused int) {
	for _, p := range c.fleet.all {
		// Brokers that have come back are busy with each other for a while.
		outage := p.ended.After(c.outage[0]) && p.ended.Before(c.outage[1].Add(15*time.Second))
		switch {
		case p.failed == "":
		case outage && strings.Contains(p.failed, "start consumer") && strings.Contains(p.failed, "unavailable"):
			excused++
		default:
			faults = append(faults, fmt.Sprintf("%v ended by itself: %s", p, p.failed))
		}
	}
	return faults, excused
}

func (c *chaos) createTopic(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, -1, nil, c.topic); err != nil {
		return fmt.Errorf("create topic %s: %w", c.topic, err)
	}
	if os.Getenv(protocolVariable) != string(kafka.ConsumerProtocol) {
		return nil
	}
	return c.shortenSessions(ctx, client)
}

// shortenSessions says to the brokers what the classic protocol has consumers say.
func (c *chaos) shortenSessions(ctx context.Context, client *kgo.Client) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, c.group
	for name, value := range map[string]time.Duration{"consumer.session.timeout.ms": sessionTimeout, "consumer.heartbeat.interval.ms": time.Second} {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = name, new(strconv.FormatInt(value.Milliseconds(), 10))
		resource.Configs = append(resource.Configs, config)
	}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("shorten the sessions of group %s: %w", c.group, err)
	}
	return nil
}

// deleteTopics leaves a cluster that others use as it was.
func (c *chaos) deleteTopics(ctx context.Context) {
	if c.cluster != nil {
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...))
	if err != nil {
		return
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, topicErr := admin.DeleteTopics(ctx, c.topic, kafka.DeadLetterTopic(c.topic, c.group))
	_, groupErr := admin.DeleteGroups(ctx, c.group)
	if err := errors.Join(topicErr, groupErr); err != nil {
		c.say("topic %s is left: %v", c.topic, err)
	}
}
