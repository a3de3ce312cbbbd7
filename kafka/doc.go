// Package kafka publishes records to Apache Kafka and consumes them, so that
// nothing is lost, order is kept, and what cannot be handled is where people can
// look at it and run it again.
//
// # A consumer
//
//	consumer, err := kafka.NewConsumer(brokers, "shipping", []string{"orders"},
//		kafka.JSON(func(ctx context.Context, o Order, r *kafka.Record) error {
//			return ship(ctx, o)
//		}), kafka.ConsumerConfig{})
//	if err != nil {
//		return err
//	}
//	return consumer.Run(ctx)
//
// Run checks at its start that the brokers answer, that the topics are there and
// that their dead-letter topics are, which it creates, and that it may read the
// ones and write the others; then it consumes until its context ends, finishes
// what it holds, commits and leaves the group. Topics may also be given by
// [ConsumerConfig.TopicPattern], which finds those that are made later.
//
// # What a handler's error leads to
//
// The code of the error decides, by the table of package errors. Codes that
// speak about the record, such as invalid_argument, not_found or
// failed_precondition, make it a dead letter at once. After the others it is
// tried again, with growing waits, 8 times by default; only its key waits. An
// error that another service sent and that the handler returns as it is, is not
// taken for a statement about the record: errors.PassOn says that it is one.
// An error without a code is unknown, which is one of the others: whether
// sql.ErrNoRows is the record's fault only the handler knows, and says with
// errors.NotFound.Wrap(err, "").
//
// When half of the records fail, or all of the few there are, the fault is not
// theirs: the dependency is down, the credential was refused, the deployment is
// broken. Then the consumer pauses: it keeps its partitions and the records that
// it holds, tries one record after 1 s, 2 s, up to 30 s, and goes on when one
// succeeds. No record spends its attempts on that. It pauses in the same way when
// more than half of the last 100 records became dead letters, whatever the
// reason: a version that cannot read its input does not empty a topic.
// [Consumer.Status] says so, and so do a metric and a log line.
//
// # Dead letters
//
// A record that is given up is written to dlq.<topic>.<group>, with its key,
// value and headers byte for byte, into the partition with its number, and with
// headers that say where it came from and what happened: the names of KIP-1191,
// which Kafka's own share groups use, and this package's ([Failure]). Its offset
// counts as done when all in-sync replicas have the dead letter. When that cannot
// be written, the partition waits, the write is repeated, and the log says what to
// do, with the command. [Browse] lists dead letters and [Redrive] puts them back.
//
// # Retry topics
//
// A handler that does not need the records of a key in their order says so with
// [ConsumerConfig.Unordered]. Then all records are handled at the same time, those
// without a key too, and one that fails again and again waits in a topic of its own,
// retry.<topic>.<group>.<delay>, for 10 s, then for 1 min, then for 10 min, where it
// takes no place among those in flight (of all that wait, 16 MiB and a record of each
// partition are in memory at most); then it is a dead letter. Of the 8 attempts the first five are made before that. To the handler each is at the
// same record: topic, partition, offset, timestamp and headers are those of the
// source. Nothing is lost on the way: an offset counts as done when all in-sync
// replicas have what waits. An outage pauses the consumer as ever, and fills no topic.
//
// # What is guaranteed
//
//   - Nothing is lost. An offset is committed when its record, and every record
//     before it in the partition, was handled or is a dead letter that the brokers
//     have acknowledged.
//   - Order holds for each key, with any number of workers, also while a record of
//     the key is tried again or becomes a dead letter. It holds for handlers that
//     return when their context ends. Records whose key is nil have the order of
//     their partition: they are handled one at a time, and one that is tried again
//     holds up those behind it.
//   - One bad record stops nobody but its key, until 10,000 later records of its
//     partition are done; then the partition waits. That is also the most that is
//     handled again, for each partition, when a process is killed.
//   - Rebalances are clean. When a partition is revoked, handlers may finish for 10
//     s, then their contexts end, what is done is committed, and nothing that comes
//     later counts.
//   - Delivery is at least once, and recognisable: [Record.ID] is where the record
//     was written first, and stays the same through retries, dead letters and
//     redrives. [Deduplicate] makes a handler's effect happen once, as far as its
//     store is able to; a [Batch] writes the ID beside its rows.
//
// # A producer
//
//	producer, err := kafka.NewProducer(brokers, kafka.ProducerConfig{})
//	…
//	record, err := kafka.NewJSON("orders", []byte(o.ID), o)
//	…
//	err = producer.Publish(ctx, record)
//
// Publish returns when all in-sync replicas have the record. It keeps the
// caller's deadline, and a [PublishError] says whether the record may have been
// written all the same. It does not hang: a full buffer answers
// resource_exhausted, an unknown topic failed_precondition.
//
// # Telemetry
//
// Spans and metrics follow the semantic conventions for messaging of
// OpenTelemetry 1.43: a span "send <topic>" for each record that is published,
// which travels in the record's headers, and a span "process <topic>" for each
// attempt of a handler, its child ([ConsumerConfig.SpanLinks]: linked to it).
// Metrics are messaging.client.sent.messages, messaging.client.operation.duration,
// messaging.client.consumed.messages, messaging.process.duration, and of our own
// kafka.consumer.retries, .delayed, .dead_letters (by code), .unwritten, .pauses, .paused (by
// reason), .in_flight, .lag and .lag.time: how old the oldest record is that is not done.
// The context of a handler carries topic, partition, offset, group, attempt and a
// hash of the key for log lines.
//
// # What it does not do
//
// No transactions and no exactly-once processing between topics. No schema
// registry: [Decode] takes any codec, and [Message] makes one of proto.Unmarshal.
// A record that is tried again waits in memory, and its key with it, unless the
// handler needs no order. A handler that ignores its context cannot be stopped, and holds up its key until
// it returns.
//
// What lies below is franz-go: [Consumer.Client] and [Producer.Client] give its
// client, and [Connection.Options] takes its options.
package kafka
