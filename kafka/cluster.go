package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// seedTimeout is how long a broker of the list may take to say which cluster it
// is in. One that does not answer says nothing: others of the list do.
const seedTimeout = 2 * time.Second

// checkCluster asks every broker that it was given for the ID of its cluster. A
// list of two clusters' brokers would read from whichever answers first.
func (c *Consumer) checkCluster(ctx context.Context, client *kgo.Client) error {
	seeds := client.SeedBrokers()
	if len(seeds) < 2 || len(seeds) != len(c.brokers) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	ids := make([]string, len(seeds))
	var wg sync.WaitGroup
	for i, seed := range seeds {
		wg.Go(func() {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{} // none; nil means all
			if resp, err := req.RequestWith(ctx, seed); err == nil && resp.ClusterID != nil {
				ids[i] = *resp.ClusterID
			}
		})
	}
	wg.Wait()
	clusters := map[string][]string{}
	for i, id := range ids {
		if id != "" {
			clusters[id] = append(clusters[id], c.brokers[i])
		}
	}
	if len(clusters) > 1 {
		return errors.FailedPrecondition.Wrap(fmt.Errorf("the brokers belong to different clusters: %v", clusters), "")
	}
	return nil
}
