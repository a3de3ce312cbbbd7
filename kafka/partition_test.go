package kafka_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/backend-platform/sdk/kafka"
	"github.com/backend-platform/sdk/kafka/kafkatest"
)

// Where KafkaProducer of kafka-clients 4.4.0 put 1,000 keys of all kinds.
func TestKeysLandOnThePartitionsOfJavasProducer(t *testing.T) {
	text, err := os.ReadFile("testdata/murmur2-partitions.json")
	if err != nil {
		t.Fatal(err)
	}
	var java struct {
		Keys []struct {
			Key  hexBytes `json:"key_hex"`
			Of8  int32    `json:"of_8"`
			Of12 int32    `json:"of_12"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(text, &java); err != nil || len(java.Keys) != 1_000 {
		t.Fatalf("%d keys, %v", len(java.Keys), err)
	}
	b := kafkatest.Start(t, kafkatest.Config{Topics: map[string]int{"of8": 8, "of12": 12}})
	producer, err := kafka.NewProducer(b.Addrs(), kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(t.Context())
	want := map[string]map[string]int32{"of8": {}, "of12": {}}
	var records []*kafka.Record
	for _, k := range java.Keys {
		want["of8"][string(k.Key)], want["of12"][string(k.Key)] = k.Of8, k.Of12
		records = append(records, &kafka.Record{Topic: "of8", Key: k.Key}, &kafka.Record{Topic: "of12", Key: k.Key})
	}
	if err := producer.Publish(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
	for topic, places := range want {
		for _, r := range b.Records(t, topic) {
			if r.Key == nil || r.Partition != places[string(r.Key)] {
				t.Errorf("%s: key %x is in partition %d, Java puts it in %d", topic, r.Key, r.Partition, places[string(r.Key)])
			}
		}
	}
}
