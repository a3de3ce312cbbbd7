package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAilmentsNamesWhatKeepsATopicFromBeingWritten(t *testing.T) {
	partition := func(leader int32, isr ...int32) kmsg.MetadataResponseTopicPartition {
		p := kmsg.MetadataResponseTopicPartition{Partition: 3, Leader: leader, Replicas: []int32{1, 2, 3}, ISR: isr}
		if leader < 0 {
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		return p
	}
	for _, c := range []struct {
		part kmsg.MetadataResponseTopicPartition
		want string
	}{
		{partition(1, 1, 2, 3), ""},
		{partition(1, 1), "partition 3 of the topic has 1 of 3 replicas in sync, and min.insync.replicas may ask for more"},
		{partition(-1), "partition 3 of the topic has no leader"},
		{partition(-1, 2), "partition 3 of the topic has no leader"},
	} {
		known := &kmsg.MetadataResponse{Topics: []kmsg.MetadataResponseTopic{{Partitions: []kmsg.MetadataResponseTopicPartition{c.part}}}}
		if got := ailments(known); got != c.want {
			t.Errorf("leader %d, in sync %v: %q, want %q", c.part.Leader, c.part.ISR, got, c.want)
		}
	}
}
