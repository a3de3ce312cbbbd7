package kafka

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// PublishError says which records of a [Producer.Publish] were not acknowledged.
// Records that it does not name were written. Its code is that of the most
// severe of its failures.
type PublishError struct {
	Failed []PublishFailure
}

// PublishFailure is a record that was not acknowledged.
type PublishFailure struct {
	// Record is the record as it was given to Publish.
	Record *Record
	// Err says why, with a code: resource_exhausted when the buffer is full,
	// failed_precondition when the topic does not exist or cannot, or the producer is
	// closed, invalid_argument when the record is too large or the topic refuses
	// it, permission_denied and unauthenticated, unavailable when no broker took
	// the record within the delivery timeout, deadline_exceeded or canceled when
	// the caller's context ended.
	Err error
	// MayBeWritten says that the broker may have the record, or may get it yet:
	// publishing it again may write it twice. False: it was not and will not be
	// written.
	MayBeWritten bool
}

// Error names the first failure and counts the others.
func (e *PublishError) Error() string {
	if len(e.Failed) == 0 {
		return "kafka: publish"
	}
	f := e.Failed[0]
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: publish to %q", f.Record.Topic)
	if f.MayBeWritten {
		b.WriteString(" (may have been written)")
	}
	fmt.Fprintf(&b, ": %v", f.Err)
	if more := len(e.Failed) - 1; more > 0 {
		fmt.Fprintf(&b, " (and %d more records)", more)
	}
	return b.String()
}

// Unwrap returns the failures' errors.
func (e *PublishError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// failure reads what an error of the client means for a record.
func (p *Producer) failure(r *Record, err error) PublishFailure {
	described := describePublish(r, err)
	switch {
	case errors.Is(err, kgo.ErrRecordTimeout):
		described = p.timedOut(r.Topic)
	case errors.Is(err, context.Canceled) && p.closed.Load(): // Close ends what the client is doing.
		described = errors.Unavailable.Wrap(fmt.Errorf("the producer was closed before a broker had acknowledged the record: %w", err), "")
	}
	return PublishFailure{Record: r, Err: described, MayBeWritten: !refused(err)}
}

// timedOut says that the delivery timeout is over, and what the client knows of
// why: where nobody answered, or that the topic ails.
func (p *Producer) timedOut(topic string) error {
	err := p.dials.explain(fmt.Errorf("brokers %s: %w of %v", strings.Join(p.brokers, ","), errDelivery, p.cfg.DeliveryTimeout))
	code := errors.Unavailable
	if errors.Is(err, kerr.SaslAuthenticationFailed) {
		code = errors.Unauthenticated // It is what the client heard last from a broker.
	}
	return code.Wrap(p.withAilments(topic, err), "")
}

// withAilments adds what ails the topic, as of the client's last look at it. The
// client looks whenever a broker refuses a batch for now, and keeps to itself
// what the broker said.
func (p *Producer) withAilments(topic string, err error) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // Nothing is asked: only what is known counts.
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	known, unknown := p.client.RequestCachedMetadata(ended, req, ailmentsAge)
	if unknown != nil {
		return err
	}
	if ails := ailments(known); ails != "" {
		return fmt.Errorf("%w; %s", err, ails)
	}
	return err
}

// ailmentsAge is how old the knowledge may be.
const ailmentsAge = time.Minute

// ailments names the first partition that cannot be written, or perhaps not with
// all in-sync replicas.
func ailments(known *kmsg.MetadataResponse) string {
	for _, t := range known.Topics {
		for _, part := range t.Partitions {
			switch {
			case part.Leader < 0:
				return fmt.Sprintf("partition %d of the topic has no leader", part.Partition)
			case len(part.ISR) < len(part.Replicas):
				return fmt.Sprintf("partition %d of the topic has %d of %d replicas in sync, and min.insync.replicas may ask for more", part.Partition, len(part.ISR), len(part.Replicas))
			}
		}
	}
	return ""
}

// refused reports whether the record was certainly not written: it never left,
// or the broker said no.
func refused(err error) bool {
	for _, no := range []error{
		errClosed, errTopicName, kgo.ErrMaxBuffered, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation, kerr.CorruptMessage,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// smallRecord is a size that every topic takes.
const smallRecord = 64 << 10

func describePublish(r *Record, err error) error {
	switch {
	case errors.Is(err, kgo.ErrMaxBuffered):
		return errors.ResourceExhausted.Wrap(fmt.Errorf("too many records are not acknowledged yet: %w", err), "")
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return errors.FailedPrecondition.Wrap(fmt.Errorf("the topic %q does not exist: %w", r.Topic, err), "")
	case tooLarge(err) && sizeOf(r) < smallRecord:
		// With a batch the client gives up all records of its partition.
		return errors.Unavailable.Wrap(fmt.Errorf("a batch with the record, or with one that waited before it, was too large: %w", err), "")
	case tooLarge(err):
		return errors.InvalidArgument.Wrap(fmt.Errorf("the record of %d bytes is too large: %w", sizeOf(r), err), "")
	case errors.Is(err, kerr.InvalidRecord):
		return errors.InvalidArgument.Wrap(fmt.Errorf("the topic %q refuses the record, as one that is compacted refuses a record without a key: %w", r.Topic, err), "")
	case errors.Is(err, kerr.InvalidTimestamp):
		return errors.InvalidArgument.Wrap(fmt.Errorf("the topic %q refuses the record's timestamp %v: %w", r.Topic, r.Timestamp, err), "")
	}
	return coded(err)
}
