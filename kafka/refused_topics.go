package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// refusedTopics says which topics the client may not even see. Kafka says the same of
// one that is there and of one that is not.
type refusedTopics struct {
	topics []string
	err    error
}

func (e *refusedTopics) Error() string {
	return fmt.Sprintf("no permission Describe on topics %q: %v", e.topics, e.err)
}

func (e *refusedTopics) Unwrap() error { return e.err }

// whichRefused finds out which of the topics are meant: one that is refused ends the answer
// for all.
func whichRefused(ctx context.Context, admin *kadm.Client, topics []string, err error) error {
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		return err
	}
	var refused []string
	for _, topic := range topics {
		if _, err := admin.ListTopics(ctx, topic); errors.Is(err, kerr.TopicAuthorizationFailed) {
			refused = append(refused, topic)
		}
	}
	if len(refused) == 0 {
		return err
	}
	return &refusedTopics{topics: refused, err: err}
}

// nameRights says what the consumer has to be permitted on topics that it may not see,
// and how that is done. Each of these rights lets it see them.
func (c *Consumer) nameRights(err error) error {
	refused, ok := errors.AsType[*refusedTopics](err)
	if !ok {
		return err
	}
	var faults []error
	for _, topic := range refused.topics {
		rights := c.rights(topic)
		faults = append(faults, fmt.Errorf("no permission %s on topic %q: %s", strings.Join(rights, ", "), topic, c.commands().permit(topic, rights...)))
	}
	return errors.PermissionDenied.Wrap(fmt.Errorf("%w (%w)", errors.Join(faults...), refused.err), "")
}

// rights are what the consumer needs on a topic. What is not one of its sources is
// written to, and made where it is missing.
func (c *Consumer) rights(topic string) []string {
	if slices.Contains(c.topics, topic) {
		return []string{"Read"}
	}
	rights := []string{"Write"}
	if !c.cfg.KeepTopics {
		rights = append(rights, "Create")
	}
	if IsRetryTopic(topic) {
		rights = append(rights, "Read")
	}
	return rights
}
