package kafka

import (
	"fmt"
	"strings"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	// failed_precondition when the topic does not exist, invalid_argument when
	// the record is too large, permission_denied, unavailable when no broker
	// answered within the delivery timeout, deadline_exceeded or canceled when
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
	if errors.Is(err, kgo.ErrRecordTimeout) {
		described = p.timedOut()
	}
	return PublishFailure{Record: r, Err: described, MayBeWritten: !refused(err)}
}

// timedOut says that the delivery timeout is over, and where nobody answered.
func (p *Producer) timedOut() error {
	return errors.Unavailable.Wrap(p.dials.explain(fmt.Errorf("brokers %s: %w of %v", strings.Join(p.brokers, ","), errDelivery, p.cfg.DeliveryTimeout)), "")
}

// refused reports whether the record was certainly not written: it never left,
// or the broker said no.
func refused(err error) bool {
	for _, no := range []error{
		kgo.ErrMaxBuffered, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.MessageTooLarge, kerr.RecordListTooLarge,
		kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.PolicyViolation,
	} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

func describePublish(r *Record, err error) error {
	switch {
	case errors.Is(err, kgo.ErrMaxBuffered):
		return errors.ResourceExhausted.Wrap(fmt.Errorf("too many records are not acknowledged yet: %w", err), "")
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return errors.FailedPrecondition.Wrap(fmt.Errorf("the topic %q does not exist: %w", r.Topic, err), "")
	case tooLarge(err):
		return errors.InvalidArgument.Wrap(fmt.Errorf("the record of %d bytes is too large: %w", len(r.Key)+len(r.Value), err), "")
	}
	return coded(err)
}
