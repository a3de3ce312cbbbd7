package kafka_test

import (
	"fmt"

	"github.com/backend-platform/sdk/kafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// group is the test's consumer group.
func (c *cluster) group() string { return c.prefix + "group" }

// committed returns the committed offset of a partition, -1 without one.
func (c *cluster) committed(topic string, partition int32) int64 {
	c.t.Helper()
	offsets, err := c.admin.FetchOffsets(c.t.Context(), c.group())
	if err != nil {
		c.t.Fatalf("fetch offsets: %v", err)
	}
	if o, ok := offsets.Lookup(topic, partition); ok && o.Err == nil {
		return o.At
	}
	return -1
}

func (c *cluster) waitCommitted(topic string, partition int32, offset int64) {
	c.t.Helper()
	at := int64(-1)
	c.eventually(fmt.Sprintf("offset %d to be committed", offset), func() bool {
		at = c.committed(topic, partition)
		return at >= offset
	})
	if at != offset {
		c.t.Errorf("committed %d, want %d", at, offset)
	}
}

// waitCaughtUp waits until everything that is in the topic is committed.
func (c *cluster) waitCaughtUp(topic string) {
	c.t.Helper()
	lag := int64(-1)
	defer func() {
		if c.t.Failed() {
			c.t.Logf("lag %d of %v", lag, c.members())
		}
	}()
	c.eventually("lag 0 in "+topic, func() bool { lag = c.lag(topic); return lag == 0 })
}

func (c *cluster) lag(topic string) int64 {
	c.t.Helper()
	ends, err := c.admin.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		return -1
	}
	offsets, err := c.admin.FetchOffsets(c.t.Context(), c.group())
	if err != nil {
		return -1
	}
	lag := int64(0)
	ends.Each(func(end kadm.ListedOffset) {
		at := int64(0)
		if o, ok := offsets.Lookup(end.Topic, end.Partition); ok {
			at = max(o.At, 0)
		}
		lag += end.Offset - at
	})
	return lag
}

// members returns the IDs of the group's members when it is stable.
func (c *cluster) members() []string {
	var ids []string
	if c.config().GroupProtocol == kafka.ConsumerProtocol {
		groups, err := c.admin.DescribeConsumerGroups(c.t.Context(), c.group())
		if err == nil && groups[c.group()].State == "Stable" {
			for _, m := range groups[c.group()].Members {
				ids = append(ids, m.MemberID)
			}
		}
		return ids
	}
	groups, err := c.admin.DescribeGroups(c.t.Context(), c.group())
	if err == nil && groups[c.group()].State == "Stable" {
		for _, m := range groups[c.group()].Members {
			ids = append(ids, m.MemberID)
		}
	}
	return ids
}

func (c *cluster) waitMembers(n int) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("%d members", n), func() bool { return len(c.members()) == n })
}

// paused reports whether the member does not fetch all partitions of the topic.
func paused(member *running, topic string) bool {
	client := member.Client()
	return client != nil && len(client.PauseFetchPartitions(nil)[topic]) > 0
}

// shortSessions makes the brokers forget a silent member after 6 s. In the classic
// protocol that is for the member to say.
func (c *cluster) shortSessions() {
	c.t.Helper()
	if c.config().GroupProtocol != kafka.ConsumerProtocol {
		return
	}
	c.configureGroup("consumer.session.timeout.ms", "6000", "consumer.heartbeat.interval.ms", "1000")
}

// configureGroup sets what the brokers keep of the test's group: pairs of name and value.
func (c *cluster) configureGroup(configs ...string) {
	c.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, c.group()
	for i := 0; i < len(configs); i += 2 {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Value = configs[i], &configs[i+1]
		resource.Configs = append(resource.Configs, config)
	}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Resources[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatalf("configure the group: %v", err)
	}
}

// kick removes all members from the group, which they do not know.
func (c *cluster) kick() {
	c.t.Helper()
	members := c.members()
	if len(members) == 0 {
		c.t.Fatal("there are no members to remove")
	}
	for _, id := range members {
		if err := c.leave(id); err != nil {
			c.t.Fatalf("remove member %s: %v", id, err)
		}
	}
}

// leave says what a member would say that leaves.
func (c *cluster) leave(id string) error {
	if c.config().GroupProtocol == kafka.ConsumerProtocol {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = c.group(), id, -1
		resp, err := req.RequestWith(c.t.Context(), c.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		return err
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = c.group()
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	req.Members = append(req.Members, member)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	return err
}
