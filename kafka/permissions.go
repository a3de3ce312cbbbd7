package kafka

import (
	"context"
	"fmt"
	"math"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// checkPermissions asks the brokers what the client may do with its topics
// (KIP-430): that it may not read is an error at the start, and not lines in a
// log, and that it may not write dead letters is one before the first of them.
// Brokers before 2.3 do not say it.
func (c *Consumer) checkPermissions(ctx context.Context, client *kgo.Client, read, written []string) error {
	wanted := map[string][]wantedOperation{}
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	want := func(topic string, operation kmsg.ACLOperation, name string) {
		wanted[topic] = append(wanted[topic], wantedOperation{operation, name})
		if len(wanted[topic]) > 1 {
			return // It is asked for already.
		}
		asked := kmsg.NewMetadataRequestTopic()
		asked.Topic = new(topic)
		req.Topics = append(req.Topics, asked)
	}
	for _, topic := range read {
		want(topic, kmsg.ACLOperationRead, "Read")
	}
	for _, topic := range written {
		want(topic, kmsg.ACLOperationWrite, "Write")
	}
	if len(wanted) == 0 {
		return nil // Without names, it would be about all topics.
	}
	var resp *kmsg.MetadataResponse
	err := insist(ctx, func() (err error) {
		resp, err = req.RequestWith(ctx, client)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for permissions: %w", coded(err))
	}
	var faults []error
	for _, topic := range resp.Topics {
		if topic.Topic == nil || topic.ErrorCode != 0 || topic.AuthorizedOperations == math.MinInt32 {
			continue // It is not said: a topic that was created a moment ago is not known everywhere.
		}
		for _, w := range wanted[*topic.Topic] {
			if topic.AuthorizedOperations&(1<<w.operation) == 0 {
				faults = append(faults, fmt.Errorf("no permission %s on topic %q: %s", w.name, *topic.Topic, c.commands().permit(*topic.Topic, w.name)))
			}
		}
	}
	if len(faults) > 0 {
		return errors.PermissionDenied.Wrap(errors.Join(faults...), "")
	}
	return nil
}

type wantedOperation struct {
	operation kmsg.ACLOperation
	name      string
}
