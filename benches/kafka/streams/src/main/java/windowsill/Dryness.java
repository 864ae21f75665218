package windowsill;

import java.io.FileReader;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * The dryness rule: readings joined with the plants, low ones counted by plant in windows of six
 * hours with ten minutes of grace, and those with more than 120 told once, when they close.
 *
 * <p>Arguments: a file of properties of Kafka Streams. Beside its own it has {@code readings},
 * {@code metadata}, {@code results} (topics) and {@code format} (json or avro).
 */
public final class Dryness {
  private static final long LIMIT = 120;

  private Dryness() {}

  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    try (FileReader file = new FileReader(arguments[0])) {
      properties.load(file);
    }
    KafkaStreams streams = new KafkaStreams(topology(properties), properties);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        fault -> {
          fault.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(Duration.ofSeconds(10));
                  ended.countDown();
                }));
    streams.start();
    ended.await();
  }

  private static Topology topology(Properties properties) {
    Values values = Values.of(properties.getProperty("format"));
    StreamsBuilder builder = new StreamsBuilder();
    var plants =
        builder.table(
            properties.getProperty("metadata"),
            Consumed.with(Serdes.String(), Values.serde(values::plant, values::bytes)));
    builder.stream(
            properties.getProperty("readings"),
            Consumed.with(Serdes.String(), Values.serde(values::reading, values::bytes)))
        .join(
            plants,
            (reading, plant) -> reading.moisture() < plant.moistureLow() ? plant.name() : "",
            Joined.keySerde(Serdes.String()))
        .filter((key, name) -> !name.isEmpty())
        .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofHours(6), Duration.ofMinutes(10)))
        .count()
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream()
        .filter((window, count) -> count > LIMIT)
        .map(
            (window, count) ->
                KeyValue.pair(
                    window.key() + "@" + window.window().start(), Long.toString(count)))
        .to(properties.getProperty("results"), Produced.with(Serdes.String(), Serdes.String()));
    return builder.build();
  }
}
