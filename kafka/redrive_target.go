package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
)

// parkingPrefix does not begin as dead-letter topics do, so that nobody who
// looks for dead letters by their pattern finds the parked ones again.
const parkingPrefix = "parked."

// ParkingTopic returns the name of the topic for dead letters that are not to
// be put back any more: parked.<topic>.<group>, made from [DeadLetterTopic].
// What is parked keeps its failure headers and is read by [Browse].
func ParkingTopic(topic, group string) string {
	name := parkingPrefix + strings.TrimPrefix(DeadLetterTopic(topic, group), deadLetterPrefix)
	if len(name) <= maxTopicName {
		return name
	}
	sum := sha256.Sum256([]byte(topic + "\x00" + group))
	suffix := "-" + hex.EncodeToString(sum[:4])
	return name[:maxTopicName-len(suffix)] + suffix
}

// redriveTarget is a topic that a redrive writes to. It has a client of its own,
// because the largest batch is a client's setting and a topic's limit.
type redriveTarget struct {
	client     *kgo.Client
	topic      string
	partitions int32
}

func (d *redriveTarget) record(partition int32, key, value []byte, headers []kgo.RecordHeader) *kgo.Record {
	return &kgo.Record{Topic: d.topic, Partition: partition % d.partitions, Key: key, Value: value, Headers: headers}
}

// largestMessageBytes bounds a batch, well below what one request may hold
// (socket.request.max.bytes, 100 MiB).
const largestMessageBytes = 64 << 20

func (r *redrive) openTarget(topic string, partitions int, messageBytes int) (*redriveTarget, error) {
	client, err := r.dialer.open(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(int32(min(messageBytes, largestMessageBytes))),
		kgo.MaxBufferedRecords(maxBatch),
		kgo.ManualFlushing(),
	)
	if err != nil {
		return nil, err
	}
	return &redriveTarget{client: client, topic: topic, partitions: int32(partitions)}, nil
}

// prepare finds out what can be known before the first dead letter is read.
func (r *redrive) prepare(ctx context.Context) error {
	if r.cfg.DryRun {
		r.pace.rate = 0
	}
	client, err := r.dialer.open()
	if err != nil {
		return err
	}
	r.client, r.admin, r.sources = client, kadm.NewClient(client), newSourceReader(client, r.topic)
	return r.dialer.lookup(ctx, func(ctx context.Context) (err error) {
		if r.ranges, err = listRanges(ctx, r.admin, r.cfg.From); err != nil {
			return err
		}
		detail, err := describeTopic(ctx, r.admin, r.topic)
		if err != nil {
			return err
		}
		if r.journal, err = r.openJournal(ctx); err != nil {
			return err
		}
		r.source, err = r.openTarget(r.topic, len(detail.Partitions), topicConfigs(ctx, r.admin, r.topic)[r.topic].maxMessage())
		return err
	})
}

// openJournal looks for other runs before it reads what was done, so that nothing is done
// in between that neither notices.
func (r *redrive) openJournal(ctx context.Context) (*redriveJournal, error) {
	s := selection{r.topic, r.group, r.cfg.Filter}
	metadata, err := s.encode()
	if err != nil {
		return nil, err
	}
	var guard *redriveGuard
	if !r.cfg.DryRun {
		guard, err = openGuard(ctx, r.admin, commands{r.dialer.brokers, r.cfg.Connection.private}, r.cfg.From, s.journalGroup(r.cfg.From, metadata))
		if err != nil {
			return nil, err
		}
	}
	j, err := openJournal(ctx, r.admin, r.cfg.From, s, r.cfg.Again)
	if err != nil {
		return nil, err
	}
	j.guard = guard
	return j, nil
}

func (r *redrive) close() {
	for _, t := range []*redriveTarget{r.source, r.parking} {
		if t != nil {
			t.client.Close()
		}
	}
	if r.client != nil {
		r.client.Close()
	}
}

// parkingTarget opens the parking topic, and creates it when it is not there.
func (r *redrive) parkingTarget(ctx context.Context) (*redriveTarget, error) {
	if r.parking != nil {
		return r.parking, nil
	}
	topic := ParkingTopic(r.topic, r.group)
	if r.cfg.DryRun {
		return &redriveTarget{topic: topic, partitions: int32(len(r.ranges))}, nil
	}
	if err := r.createParking(ctx, topic); err != nil {
		return nil, err
	}
	detail, err := describeTopic(ctx, r.admin, topic)
	if err != nil {
		return nil, err
	}
	config := topicConfigs(ctx, r.admin, topic)[topic]
	if policy := config.text(configCleanup); strings.Contains(policy, "compact") {
		return nil, errors.FailedPrecondition.Newf("The parking topic %q has %s=%s: compaction would delete what is parked with the same key.", topic, configCleanup, policy)
	}
	r.parking, err = r.openTarget(topic, len(detail.Partitions), config.maxMessage())
	return r.parking, err
}

// createParking creates the parking topic as the dead letters' topic is, but
// without an end of retention: what is parked waits for a person.
func (r *redrive) createParking(ctx context.Context, topic string) error {
	from, err := describeTopic(ctx, r.admin, r.cfg.From)
	if err != nil {
		return err
	}
	like := topicConfigs(ctx, r.admin, r.cfg.From)[r.cfg.From]
	configs := map[string]*string{
		configCleanup:    new("delete"),
		configRetention:  new("-1"),
		configMaxMessage: new(strconv.Itoa(like.maxMessage())),
	}
	if min, own := like[configMinISR]; own && min.Source == kmsg.ConfigSourceDynamicTopicConfig {
		configs[configMinISR] = min.Value
	}
	replicas := max(from.Partitions.NumReplicas(), 1)
	_, err = r.admin.CreateTopic(ctx, int32(len(from.Partitions)), int16(replicas), configs, topic)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if _, known := describeTopic(ctx, r.admin, topic); known == nil {
		return nil
	}
	return fmt.Errorf("create parking topic %q: %w", topic, coded(err))
}

// produceAll writes the moves and says which of them the brokers have
// acknowledged: all of them where there is no error. When ctx ends it waits for
// what is under way, for a while.
func produceAll(ctx context.Context, moves []redriveMove) ([]bool, error) {
	drain, cancel := redriveDrainContext(ctx)
	defer cancel()
	var (
		mu      sync.Mutex
		acked   = make([]bool, len(moves))
		first   error
		waiting = len(moves)
		done    = make(chan struct{})
		clients []*kgo.Client
	)
	for i, m := range moves {
		if !slices.Contains(clients, m.to.client) {
			clients = append(clients, m.to.client)
		}
		m.to.client.Produce(drain, m.record, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			acked[i] = err == nil
			if err != nil && first == nil {
				first = fmt.Errorf("write dead letter %d to topic %q, partition %d: %w", m.offset, m.record.Topic, m.record.Partition, coded(err))
			}
			if waiting--; waiting == 0 {
				close(done)
			}
		})
	}
	for _, client := range clients {
		_ = client.Flush(drain) // What it says is seen below.
	}
	select {
	case <-done:
	case <-drain.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	if waiting > 0 && first == nil {
		first = fmt.Errorf("wait for %d of %d acknowledgements: %w", waiting, len(moves), context.Cause(drain))
	}
	return slices.Clone(acked), first
}
