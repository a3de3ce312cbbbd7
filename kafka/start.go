package kafka

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// start checks, with a client of its own, that the brokers answer and are those of
// one cluster, that the topics and their dead-letter topics are there, and that
// the client may use them. A group that is joined before that would take
// partitions away from members that work.
func (c *Consumer) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.StartTimeout)
	defer cancel()
	dials := new(dialErrors)
	ctx, stop := dials.bound(ctx, len(c.brokers))
	defer stop()
	client, err := c.cfg.Connection.newClient(c.brokers, c.log, kgo.WithHooks(dials))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := c.check(ctx, client); err != nil {
		return c.explain(ctx, dials, err)
	}
	return nil
}

func (c *Consumer) check(ctx context.Context, client *kgo.Client) error {
	admin := kadm.NewClient(client)
	sources, err := findTopics(ctx, admin, c.topics)
	if err != nil {
		return errors.Join(err, c.checkCluster(ctx, client)) // That may be why a topic is missing.
	}
	if err := c.checkCluster(ctx, client); err != nil {
		return err
	}
	var matched kadm.TopicDetails
	var existing []string
	if c.cfg.Unordered || c.pattern != nil {
		all, err := listTopics(ctx, admin, nil)
		if err != nil {
			return err
		}
		existing, matched = all.Names(), c.matching(all)
	}
	c.partitions = map[string]int32{}
	for _, topics := range []kadm.TopicDetails{sources, matched} {
		for topic, d := range topics {
			c.partitions[topic] = int32(len(d.Partitions))
		}
	}
	c.dead = newDeadLetterWriter(c)
	if c.subscribed, err = c.admit(ctx, client, sources, existing); err != nil {
		return err
	}
	return c.startMatched(ctx, client, matched, existing)
}

// admit prepares topics to be consumed: what belongs to them is there, and what is to
// be done with it is permitted. It returns what to subscribe to.
func (c *Consumer) admit(ctx context.Context, client *kgo.Client, sources kadm.TopicDetails, existing []string) ([]string, error) {
	var retries []*retryTopic
	var adopted []string
	c.sched.mu.Lock()
	for source := range sources {
		adopted = append(adopted, c.sched.plan.add(c.cfg, c.group, source, existing)...)
		retries = append(retries, c.sched.plan.of(source)...)
	}
	c.sched.mu.Unlock()
	if len(adopted) > 0 {
		c.log.InfoContext(ctx, "retry topics of an earlier configuration are consumed until they are empty; delete them then", slog.Any("topics", adopted))
	}
	written, err := c.dead.prepare(ctx, kadm.NewClient(client), sources, retries)
	if err != nil {
		return nil, err
	}
	read := sources.Names()
	for _, t := range retries {
		read = append(read, t.name)
	}
	return read, c.checkPermissions(ctx, client, read, topicNames(written))
}

// explain says that the brokers refuse us, or that time is up, where that is what happened.
func (c *Consumer) explain(ctx context.Context, dials *dialErrors, err error) error {
	if refused := dials.refusal(); refused != nil {
		return refused
	}
	err = dials.explain(c.nameRights(err))
	if ctx.Err() == nil || errors.CodeOf(err) == errors.FailedPrecondition {
		return err
	}
	return errors.Unavailable.Wrap(fmt.Errorf("brokers %s did not answer within %v: %w", strings.Join(c.brokers, ","), c.cfg.StartTimeout, err), "")
}

// findTopics returns the details of the topics. A topic that was made a moment
// ago is not known to every broker: a missing one is asked for a second time.
func findTopics(ctx context.Context, admin *kadm.Client, topics []string) (kadm.TopicDetails, error) {
	if len(topics) == 0 {
		return kadm.TopicDetails{}, nil // Without names, all would be listed.
	}
	details, err := listTopics(ctx, admin, topics)
	if err == nil && len(missing(details, topics)) > 0 {
		wait(ctx, 2*metadataMinAge)
		details, err = listTopics(ctx, admin, topics)
	}
	if err != nil {
		return nil, err
	}
	if names := missing(details, topics); len(names) > 0 {
		return nil, errors.FailedPrecondition.Wrap(fmt.Errorf("topics that do not exist: %s", strings.Join(names, ", ")), "")
	}
	for _, name := range topics {
		if err := details[name].Err; err != nil {
			return nil, fmt.Errorf("read topic %q: %w", name, coded(err))
		}
	}
	return details, nil
}

func listTopics(ctx context.Context, admin *kadm.Client, topics []string) (details kadm.TopicDetails, err error) {
	err = insist(ctx, func() error {
		details, err = admin.ListTopics(ctx, topics...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", coded(whichRefused(ctx, admin, topics, err)))
	}
	return details, nil
}

// insist asks until somebody answers or ctx ends: a service may start before its
// brokers do. It returns what a broker says, or else the last thing that was
// found out before time was up.
func insist(ctx context.Context, ask func() error) error {
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if _, said := errors.AsType[*kerr.Error](err); said {
			return err
		}
		if last == nil || !isTimeout(err) {
			last = err
		}
		if ctx.Err() != nil {
			return unanswered(last)
		}
		wait(ctx, metadataMinAge)
	}
}

// unanswered says in words that a connection ended before there was an answer.
func unanswered(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if _, told := errors.AsType[*kgo.ErrFirstReadEOF](err); !told { // That one says what it may mean.
		err = fmt.Errorf("a broker closed the connection before it answered: %w", err)
	}
	return errors.Unavailable.Wrap(err, "")
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func missing(details kadm.TopicDetails, topics []string) []string {
	var names []string
	for _, name := range topics {
		if d, ok := details[name]; !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// coded gives an error of Kafka a code of ours.
func coded(err error) error {
	if err == nil || errors.CodeOf(err) != errors.Unknown {
		return err
	}
	return codeOfKafka(err).Wrap(err, "")
}

// codeOfKafka reads Kafka's error codes. Retriable ones mean that a broker
// cannot answer now.
func codeOfKafka(err error) errors.Code {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return errors.PermissionDenied
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return errors.Unauthenticated
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InvalidTopicException),
		errors.Is(err, kerr.PolicyViolation):
		return errors.FailedPrecondition
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge), errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp):
		return errors.InvalidArgument
	case errors.Is(err, kgo.ErrMaxBuffered):
		return errors.ResourceExhausted
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrClientClosed), kerr.IsRetriable(err):
		return errors.Unavailable
	}
	return errors.Unknown
}
