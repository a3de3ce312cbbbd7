import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads records of a topic with a group of its own, and prints nanoseconds, CPU nanoseconds and the resident
 * memory in KiB. Arguments: brokers, topic, records, "plain" or a number of threads, milliseconds that a
 * handler takes, rounds: each but the last only warms up, with a third of the records where there are threads.
 */
public final class Peers {
    private static final AtomicLong handled = new AtomicLong();
    private static volatile long begin;
    private static long records;
    private static long millis;
    private static volatile CountDownLatch done;

    public static void main(String[] args) throws Exception {
        long all = Long.parseLong(args[2]);
        boolean plain = args[3].equals("plain");
        millis = Long.parseLong(args[4]);
        for (int round = Integer.parseInt(args[5]); round > 0; round--) {
            records = round == 1 || plain ? all : all / 3;
            handled.set(0);
            done = new CountDownLatch(1);
            long cpu = cpu();
            if (plain) {
                plain(args[0], args[1]);
            } else {
                parallel(args[0], args[1], Integer.parseInt(args[3]));
            }
            long took = System.nanoTime() - begin;
            if (round == 1) {
                System.out.println(took + " " + (cpu() - cpu) + " " + memory());
            }
        }
        System.exit(0);
    }

    private static void handle() {
        long n = handled.incrementAndGet();
        if (n == 1) {
            begin = System.nanoTime();
        }
        if (millis > 0) {
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        if (n == records) {
            done.countDown();
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String brokers) {
        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        p.put("group.id", "benchmark-" + System.nanoTime());
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("key.deserializer", ByteArrayDeserializer.class);
        p.put("value.deserializer", ByteArrayDeserializer.class);
        return new KafkaConsumer<>(p);
    }

    private static void plain(String brokers, String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(brokers)) {
            consumer.subscribe(List.of(topic));
            while (done.getCount() > 0) {
                consumer.poll(Duration.ofMillis(100)).forEach(r -> handle());
                consumer.commitAsync();
            }
            consumer.commitSync();
        }
    }

    private static void parallel(String brokers, String topic, int threads) throws Exception {
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
            .ordering(ProcessingOrder.KEY)
            .maxConcurrency(threads)
            .consumer(consumer(brokers))
            .build();
        var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(topic));
        processor.poll(context -> handle());
        done.await();
        processor.closeDontDrainFirst(); // it finishes and commits what it works on, and leaves what it has fetched
    }

    private static long cpu() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private static long memory() throws Exception {
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        return 0;
    }
}
