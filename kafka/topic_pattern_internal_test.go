package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// One look that misses a topic moves no partitions, for a broker may lag behind; two do.
func TestATopicIsGoneAfterTwoLooks(t *testing.T) {
	known := knownTopics{"orders": {matched: true}, "returns": {matched: true}, "named": {}}
	both, one := kadm.TopicDetails{"orders": {}, "returns": {}}, kadm.TopicDetails{"orders": {}}
	for i, look := range []struct {
		all  kadm.TopicDetails
		gone []string
	}{{both, nil}, {one, nil}, {both, nil}, {one, nil}, {one, []string{"returns"}}, {one, nil}} {
		if gone := known.gone(look.all); !slices.Equal(gone, look.gone) {
			t.Errorf("look %d: gone %q, want %q", i, gone, look.gone)
		}
	}
	if len(known) != 2 || known["named"] == nil {
		t.Errorf("known %v: what was named stays", known)
	}
}

// The pattern grows when it is made to match whole names.
func TestPatternAsDeepAsOneMayBe(t *testing.T) {
	ok, refused := 0, 0
	for depth := 990; depth <= 1010; depth++ {
		if _, err := (ConsumerConfig{TopicPattern: strings.Repeat("(", depth) + "x" + strings.Repeat(")", depth)}).pattern(); err == nil {
			ok++
		} else {
			refused++
		}
	}
	if ok == 0 || refused == 0 {
		t.Errorf("%d are taken and %d refused: the limit is not among them", ok, refused)
	}
}

// Time that is too short for the topics that match ends a start only where there is nothing else to consume.
func TestMatchedTopicsThatTimeIsTooShortForEndNoStart(t *testing.T) {
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	over, end := context.WithCancel(t.Context())
	end()
	matched := kadm.TopicDetails{"orders.de": {}, "orders.fr": {}}
	for _, named := range [][]string{{"orders"}, nil} {
		c, err := NewConsumer([]string{"127.0.0.1:1"}, "g", named, func(context.Context, *Record) error { return nil }, ConsumerConfig{TopicPattern: "orders[.].*"})
		if err != nil {
			t.Fatal(err)
		}
		c.dead, c.subscribed = newDeadLetterWriter(c), named
		err = c.startMatched(over, client, matched, matched.Names())
		if named != nil && err != nil {
			t.Errorf("with a topic that is named: %v", err)
		}
		if named == nil && (!errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 topics were not looked at")) {
			t.Errorf("without one: %v", err)
		}
	}
}
