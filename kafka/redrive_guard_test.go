package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// Of two runs that are under way at the same time, one ends and says so, whether they
// select the same or not. What they put back twice is a batch at most.
func TestRedriveEndsWhereAnotherOneIsUnderWay(t *testing.T) {
	unavailable := kafka.DeadLetterFilter{Codes: []errors.Code{errors.Unavailable}}
	for name, filters := range map[string][2]kafka.DeadLetterFilter{
		"of the same":        {{}, {}},
		"of the same filter": {unavailable, unavailable},
		"of a part":          {{}, unavailable},
		"of more":            {unavailable, {}},
		"of other ones":      {unavailable, {Since: time.Unix(1, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, kafkatest.Config{Topics: map[string]int{topic: 1, dlq: 1}}, func(t *testing.T, b *kafkatest.Broker) {
				const n, batch = 200, 20
				b.Produce(t, deadLetters(0, n)...)
				batches := 0
				_, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{
					Batch: batch, Filter: filters[0], Connection: kafka.Connection{Dial: b.Dial}, Logger: discard, OnProgress: func(kafka.RedriveResult) {
						time.Sleep(2 * time.Second)
						if batches++; batches == 2 {
							want(t, redrive(t, b, kafka.RedriveConfig{Filter: filters[1], Limit: 100}), kafka.RedriveResult{Redriven: 100, Done: doneBy(filters, 2*batch)})
						}
					},
				})
				wants(t, err, errors.Aborted, "another redrive", dlq)
				if batches != 3 {
					t.Errorf("it ended after %d batches, want 3", batches)
				}
				redrive(t, b, kafka.RedriveConfig{})
				if extra := assertEach(t, b, n); extra > batch {
					t.Errorf("%d were put back twice, want at most %d", extra, batch)
				}
			})
		})
	}
}

// Not every broker keeps the epoch of an offset, in which the guard has its mark: a run is
// no other one to itself there.
func TestRedriveEndsNotWhereBrokersKeepNoEpoch(t *testing.T) {
	b := start(t, 1)
	b.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		for i := range req.(*kmsg.OffsetCommitRequest).Topics {
			partitions := req.(*kmsg.OffsetCommitRequest).Topics[i].Partitions
			for j := range partitions {
				partitions[j].LeaderEpoch = -1
			}
		}
		return nil, nil, false
	})
	b.Produce(t, deadLetters(0, 50)...)
	want(t, redrive(t, b, kafka.RedriveConfig{Batch: 10}), kafka.RedriveResult{Redriven: 50})
	want(t, redrive(t, b, kafka.RedriveConfig{Batch: 10}), kafka.RedriveResult{})
}

// doneBy is how many the second run finds to be done: with the same journal it begins
// behind them.
func doneBy(filters [2]kafka.DeadLetterFilter, n int) int {
	if len(filters[0].Codes) == len(filters[1].Codes) && filters[0].Since.Equal(filters[1].Since) {
		return 0
	}
	return n
}

// Who may not see what earlier runs have put back, or may not write down what this one
// does, would put it back twice: the run does not begin, and names the right.
func TestRedriveThatMayNotSeeItsJournalPutsNothingBack(t *testing.T) {
	const onTopic, onGroup = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	onJournals := func(operation kmsg.ACLOperation) kfake.ACL {
		acl := allow(onGroup, "redrive.", operation)
		acl.Pattern = kmsg.ACLResourcePatternTypePrefixed
		return acl
	}
	for name, c := range map[string]struct {
		acls []kfake.ACL
		ok   bool
	}{
		"no right":              {nil, false},
		"only this journal's":   {[]kfake.ACL{allow(onGroup, "redrive."+dlq, kmsg.ACLOperationRead)}, false},
		"only to see them":      {[]kfake.ACL{onJournals(kmsg.ACLOperationDescribe)}, false},
		"all that is necessary": {[]kfake.ACL{onJournals(kmsg.ACLOperationRead)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			secure := secured(append(c.acls, allow(onTopic, topic, kmsg.ACLOperationWrite), allow(onTopic, topic, kmsg.ACLOperationDescribe), allow(onTopic, dlq, kmsg.ACLOperationRead))...)
			secure.Topics = map[string]int{topic: 1, dlq: 1}
			bubble(t, secure, func(t *testing.T, b *kafkatest.Broker) {
				admin, err := kgo.NewClient(append(append(b.ClientOptions(), as("admin", "pw")...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
				if err != nil {
					t.Fatal(err)
				}
				defer admin.Close()
				letter := dead(0, 0, nil)
				if err := admin.ProduceSync(t.Context(), &kgo.Record{Topic: dlq, Value: letter.Value, Headers: clientHeaders(letter)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				connection := kafka.Connection{Dial: b.Dial, SASL: loginAs(kafka.SASLPlain, "svc", "pw")}
				got, err := kafka.Redrive(t.Context(), b.Addrs(), topic, group, kafka.RedriveConfig{Connection: connection, Logger: discard})
				if c.ok {
					if err != nil || got.Redriven != 1 {
						t.Errorf("%+v, %v", got, err)
					}
					return
				}
				wants(t, err, errors.PermissionDenied, "redrive.", "--command-config <client.properties> --add", "--operation Read --group redrive. --resource-pattern-type prefixed")
				if got != (kafka.RedriveResult{}) {
					t.Errorf("it has done %+v", got)
				}
			})
		})
	}
}
