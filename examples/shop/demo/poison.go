package demo

import (
	"bytes"
	"context"
	"fmt"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/kafka"
)

func (d *demo) poisoned(ctx context.Context) error {
	d.step(5, "A record that cannot be read")
	d.poison = "poison"
	if err := d.publishBroken(ctx); err != nil {
		return err
	}
	var neighbours []string
	for range 3 {
		a, err := d.customer.order(ctx, event.Item{SKU: "mug", Qty: 1})
		if err != nil {
			return err
		}
		neighbours = append(neighbours, a.orderID)
	}
	var dead []*kafka.DeadLetter
	if err := d.wait(ctx, "the dead letter, and its neighbours to be shipped", func() bool {
		var err error
		dead, err = d.deadLetters(ctx)
		return err == nil && len(dead) > 0 && d.system.shipments.missing(neighbours) == 0
	}); err != nil {
		return err
	}
	d.dead = len(dead)
	letter := dead[0]
	d.say("In %s, from %v:", letter.Topic, letter.Record.ID())
	d.quote(string(letter.Record.Value))
	d.quote(fmt.Sprintf("%s: %s", letter.Failure.Code, letter.Failure.Message))
	d.check(letter.Failure.Code == errors.InvalidArgument, "it is a dead letter with its reason; its neighbours were shipped")
	return d.redrive(ctx)
}

// publishBroken stands for a producer that writes a number as a word.
func (d *demo) publishBroken(ctx context.Context) error {
	producer, err := kafka.NewProducer(d.system.cluster.brokers, kafka.ProducerConfig{})
	if err != nil {
		return err
	}
	err = producer.Publish(ctx, &kafka.Record{
		Topic: d.system.cluster.topics.Placed,
		Key:   []byte(d.poison),
		Value: []byte(`{"order_id":"` + d.poison + `","items":[{"sku":"mug","qty":"three"}]}`),
	})
	return errors.Join(err, producer.Close(ctx))
}

func (d *demo) redrive(ctx context.Context) error {
	c := d.system.cluster
	result, err := kafka.Redrive(ctx, c.brokers, c.topics.Placed, c.group, kafka.RedriveConfig{
		Filter: kafka.DeadLetterFilter{Codes: []errors.Code{errors.InvalidArgument}},
		Repair: func(_ context.Context, dead *kafka.DeadLetter) error {
			dead.Record.Value = bytes.ReplaceAll(dead.Record.Value, []byte(`"three"`), []byte(`3`))
			return nil
		},
	})
	if err != nil {
		return err
	}
	d.redriven = result.Redriven
	if err := d.wait(ctx, "the repaired order to be shipped", func() bool { return d.system.shipments.missing([]string{d.poison}) == 0 }); err != nil {
		return err
	}
	d.check(result.Redriven == 1, "repaired and redriven, it is shipped")
	return nil
}

// deadLetters returns those of the fulfilment's group.
func (d *demo) deadLetters(ctx context.Context) ([]*kafka.DeadLetter, error) {
	c := d.system.cluster
	var all []*kafka.DeadLetter
	for letter, err := range kafka.Browse(ctx, c.brokers, c.topics.Placed, c.group, kafka.BrowseConfig{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, letter)
	}
	return all, nil
}
