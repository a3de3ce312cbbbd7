package kafkatest

import (
	"context"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fault says which requests go wrong, and how. All of its members must match.
//
//	kafkatest.Fault{Topic: "orders", Err: kerr.NotLeaderForPartition, Times: 3} // three writes to orders fail
//	kafkatest.Fault{Request: kmsg.OffsetCommit, Group: "shipping", Times: -1}   // no commit succeeds
//	kafkatest.Fault{Topic: "orders", Hang: true}                                // a write gets no answer until lifted
type Fault struct {
	// Request is the kind of request. Zero: produce, whose key in the protocol
	// is 0.
	Request kmsg.Key
	// Topic is the topic in the request; only its partitions in the request
	// fail. Empty: any.
	Topic string
	// Group is the group in the request. Empty: any.
	Group string
	// Err is the answer. Nil: kerr.UnknownServerError, which clients do not
	// retry. The broker does nothing of what was asked, with two exceptions as
	// on Kafka: after kerr.RequestTimedOut, and after
	// kerr.NotEnoughReplicasAfterAppend on produce, the work was done.
	Err *kerr.Error
	// Hang holds the request unanswered until the fault is lifted, and Err is
	// not used. It is then answered as usual, if the client still waits. Kafka
	// answers a connection's requests in order, so those behind it wait too.
	Hang bool
	// Times is how many requests go wrong. Zero: 1. Negative: all until the
	// fault is lifted.
	Times int
}

// Injected is a [Fault] at work.
type Injected struct {
	b      *Broker
	lift   func()
	lifted chan struct{}
	hit    chan struct{} // Holds a token when there was a hit since the last look.

	mu   sync.Mutex
	hits int
	left int
}

// Fault makes requests go wrong from now on. It is lifted by [Injected.Lift],
// or by itself after its [Fault.Times], or with the broker. Where several
// faults match, the one that was added first counts.
func (b *Broker) Fault(f Fault) *Injected {
	in := &Injected{b: b, lifted: make(chan struct{}), hit: make(chan struct{}, 1), left: f.Times}
	if f.Times == 0 {
		in.left = 1
	}
	if f.Hang {
		in.lift = sync.OnceFunc(func() { close(in.lifted) })
		b.hang(f, in)
		return in
	}
	// When is asked once for each thing in a request that the other members
	// match, so that a request with several partitions is asked repeatedly.
	var last kmsg.Request
	handle := b.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{f.Request}, Topic: f.Topic, Group: f.Group, Err: f.Err, Count: in.left,
		When: func(r kmsg.Request) bool {
			if r != last {
				last = r
				in.count()
			}
			return true
		},
	})
	in.lift = sync.OnceFunc(func() { handle.Remove(); close(in.lifted) })
	return in
}

// Lift ends the fault. It may be called more than once.
func (in *Injected) Lift() { in.lift() }

// Hits is how many requests went wrong so far.
func (in *Injected) Hits() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.hits
}

// Wait waits until at least n requests went wrong, and ends the test if they do
// not within [Config.Timeout].
func (in *Injected) Wait(t TB, n int) {
	t.Helper()
	ctx, cancel := in.b.context(t)
	defer cancel()
	for in.Hits() < n {
		select {
		case <-in.hit:
		case <-in.b.closed:
			t.Fatalf("kafkatest: wait for a fault to hit %d requests: it hit %d: %v", n, in.Hits(), errClosed)
			return
		case <-ctx.Done():
			t.Fatalf("kafkatest: wait for a fault to hit %d requests: it hit %d: %v", n, in.Hits(), context.Cause(ctx))
			return
		}
	}
}

// count takes one of the fault's times, and says whether there was one left.
func (in *Injected) count() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.left == 0 {
		return false
	}
	in.left--
	in.hits++
	select {
	case in.hit <- struct{}{}:
	default:
	}
	return true
}

func (b *Broker) hang(f Fault, in *Injected) {
	var id [16]byte // Newer requests name topics by their IDs alone.
	if f.Topic != "" {
		_ = b.ask(func() error { // A closed broker gets no requests.
			if info := b.cluster.TopicInfo(f.Topic); info != nil {
				id = info.TopicID
			}
			return nil
		})
	}
	b.cluster.ControlKey(int16(f.Request), func(r kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-in.lifted:
			// Not DropControl: it makes kfake skip the control behind this one.
			return nil, nil, false
		default:
		}
		if !names(r, f.Topic, id, f.Group) || !in.count() {
			return nil, nil, false
		}
		b.cluster.SleepControl(func() {
			select {
			case <-in.lifted:
			case <-b.closed:
			}
		})
		return nil, nil, false
	})
}

// names says whether the request names the topic and the group. The kmsg types
// are generated and have the same members throughout: Group, and Topics with
// Topic or TopicID in each.
func names(r kmsg.Request, topic string, id [16]byte, group string) bool {
	v := reflect.ValueOf(r).Elem()
	if group != "" {
		if g := v.FieldByName("Group"); !g.IsValid() || g.Kind() != reflect.String || g.String() != group {
			return false
		}
	}
	if topic == "" {
		return true
	}
	topics := v.FieldByName("Topics")
	if !topics.IsValid() || topics.Kind() != reflect.Slice {
		return false
	}
	for i := range topics.Len() {
		if isTopic(topics.Index(i), topic, id) {
			return true
		}
	}
	return false
}

func isTopic(v reflect.Value, topic string, id [16]byte) bool {
	if v.Kind() != reflect.Struct {
		return v.Kind() == reflect.String && v.String() == topic
	}
	switch name := v.FieldByName("Topic"); {
	case !name.IsValid():
	case name.Kind() == reflect.String && name.String() == topic:
		return true
	case name.Kind() == reflect.Pointer && !name.IsNil() && name.Elem().String() == topic:
		return true
	}
	byID := v.FieldByName("TopicID")
	return byID.IsValid() && id != [16]byte{} && byID.Interface() == id
}
