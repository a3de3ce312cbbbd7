package kafka_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka/kafkatest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestStartWithoutPermission(t *testing.T) {
	for _, c := range []struct {
		name    string
		request kmsg.Key
		err     *kerr.Error
		want    string
	}{
		{"to create dead-letter topics", kmsg.CreateTopics, kerr.TopicAuthorizationFailed, "dlq.orders.g"},
		{"to join the group", kmsg.JoinGroup, kerr.GroupAuthorizationFailed, `group "g"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{"orders": 1}}, func(t *testing.T, b *kafkatest.Broker) {
				b.Fault(kafkatest.Fault{Request: c.request, Err: c.err, Times: -1})
				took, err := failsToStart(t, b, []string{"orders"}, quiet(t, b))
				wants(t, err, errors.PermissionDenied, c.want)
				if took > 20*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// Every permission that a consumer needs: without one of them it does not start,
// and says which one and how it is given.
func TestStartNamesEachPermissionThatIsMissing(t *testing.T) {
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	type permission struct {
		acl  kfake.ACL
		want []string // when it is the one that is missing
	}
	all := []permission{
		{allow(topic, "orders", kmsg.ACLOperationRead), []string{`no permission Read on topic "orders"`, "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:<name> --operation Read --topic orders"}},
		{allow(topic, "orders", kmsg.ACLOperationDescribe), nil}, // implied by Read
		{allow(topic, "dlq.orders.g", kmsg.ACLOperationCreate), []string{"dlq.orders.g"}},
		{allow(topic, "dlq.orders.g", kmsg.ACLOperationWrite), []string{`no permission Write on topic "dlq.orders.g"`}},
		{allow(topic, "dlq.orders.g", kmsg.ACLOperationDescribe), nil}, // implied by Write
		{allow(group, "g", kmsg.ACLOperationRead), []string{`group "g"`}},
	}
	for missing := range all {
		t.Run(fmt.Sprint(all[missing].acl.Resource, all[missing].acl.Name, all[missing].acl.Operation), func(t *testing.T) {
			var acls []kfake.ACL
			for i, p := range all {
				if i != missing {
					acls = append(acls, p.acl)
				}
			}
			bubble(t, secured(acls...), func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.Connection.Options = as("svc", "pw")
				if all[missing].want == nil {
					run(t, b, "g", []string{"orders"}, nothing, cfg)
					b.WaitMembers(t, "g", 1)
					return
				}
				took, err := failsToStart(t, b, []string{"orders"}, cfg)
				wants(t, err, errors.PermissionDenied, all[missing].want...)
				if took > 10*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// A client without any right may not even see its topics: the error says which right
// on which of them is missing, as it does for one that sees them.
func TestStartWithoutAnyRightNamesTopicsAndRights(t *testing.T) {
	const topic = kmsg.ACLResourceTypeTopic
	for name, c := range map[string]struct {
		acls []kfake.ACL
		keep bool
		want []string
	}{
		"on anything": {nil, false, []string{
			`no permission Read on topic "orders"`, "--operation Read --topic orders", `no permission Read on topic "returns"`, "--operation Read --topic returns",
		}},
		"on one of two": {[]kfake.ACL{allow(topic, "orders", kmsg.ACLOperationRead)}, false, []string{`no permission Read on topic "returns"`}},
		"on dead letters": {[]kfake.ACL{allow(topic, "orders", kmsg.ACLOperationRead), allow(topic, "returns", kmsg.ACLOperationRead)}, false, []string{
			`no permission Write, Create on topic "dlq.orders.g"`, "--operation Write --operation Create --topic dlq.orders.g",
		}},
		"on dead letters that are there": {[]kfake.ACL{allow(topic, "orders", kmsg.ACLOperationRead), allow(topic, "returns", kmsg.ACLOperationRead)}, true, []string{
			`no permission Write on topic "dlq.orders.g"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			secure := secured(c.acls...)
			secure.Topics = map[string]int{"orders": 1, "returns": 1}
			bubble(t, secure, func(t *testing.T, b *kafkatest.Broker) {
				cfg := quiet(t, b)
				cfg.Connection.Options, cfg.KeepTopics = as("svc", "pw"), c.keep
				took, err := failsToStart(t, b, []string{"orders", "returns"}, cfg)
				wants(t, err, errors.PermissionDenied, append(c.want, "TOPIC_AUTHORIZATION_FAILED")...)
				if len(c.acls) == 1 && strings.Contains(err.Error(), `"orders"`) {
					t.Errorf("the error names a topic that may be read: %v", err)
				}
				if took > 5*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
