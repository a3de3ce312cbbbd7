package kafka

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
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
