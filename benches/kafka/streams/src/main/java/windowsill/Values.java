package windowsill;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.function.Function;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Values of the two topics, as JSON or in Avro's single-object encoding. */
abstract class Values {
  /** What the join needs of a reading. */
  record Reading(float moisture) {}

  /** What the join needs of a plant. */
  record Plant(String name, float moistureLow) {}

  abstract Reading reading(byte[] bytes);

  abstract Plant plant(byte[] bytes);

  /** A plant as its table's store keeps it; a reading is stored nowhere. */
  byte[] bytes(Object value) {
    Plant plant = (Plant) value;
    byte[] name = plant.name().getBytes(StandardCharsets.UTF_8);
    return stored(name, plant.moistureLow());
  }

  /** Both directions are needed: the table's store is written in the form that it is read in. */
  abstract byte[] stored(byte[] name, float moistureLow);

  static Values of(String format) {
    return format.equals("avro") ? new Avro() : new Json();
  }

  static <T> Serde<T> serde(Function<byte[], T> read, Function<Object, byte[]> write) {
    return Serdes.serdeFrom(
        (topic, value) -> value == null ? null : write.apply(value),
        (topic, bytes) -> bytes == null ? null : read.apply(bytes));
  }

  private static final class Json extends Values {
    private final JsonFactory factory = new JsonFactory();

    @Override
    Reading reading(byte[] bytes) {
      return new Reading(read(bytes, "moisture").moisture());
    }

    @Override
    Plant plant(byte[] bytes) {
      Fields fields = read(bytes, "moisture_low");
      return new Plant(fields.name(), fields.moisture());
    }

    @Override
    byte[] stored(byte[] name, float moistureLow) {
      String text = new String(name, StandardCharsets.UTF_8);
      String json = "{\"given_name\":\"" + text + "\",\"moisture_low\":" + moistureLow + "}";
      return json.getBytes(StandardCharsets.UTF_8);
    }

    private record Fields(String name, float moisture) {}

    private Fields read(byte[] bytes, String moistureField) {
      String name = "";
      float moisture = Float.NaN;
      try (JsonParser parser = factory.createParser(bytes)) {
        for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
          if (token != JsonToken.FIELD_NAME) {
            continue;
          }
          String field = parser.currentName();
          parser.nextToken();
          if (field.equals("given_name")) {
            name = parser.getText();
          } else if (field.equals(moistureField)) {
            moisture = parser.getFloatValue();
          }
        }
      } catch (IOException fault) {
        throw new UncheckedIOException(fault);
      }
      return new Fields(name, moisture);
    }
  }

  private static final class Avro extends Values {
    /** The marker of the encoding and the schema's fingerprint. */
    private static final int HEADER_BYTES = 10;

    private static final Schema READING =
        SchemaBuilder.record("reading")
            .namespace("com.houseplants")
            .fields()
            .requiredInt("plant_id")
            .requiredFloat("moisture")
            .requiredFloat("temperature")
            .endRecord();
    private static final Schema PLANT =
        SchemaBuilder.record("houseplant")
            .namespace("com.houseplants")
            .fields()
            .requiredInt("plant_id")
            .requiredString("scientific_name")
            .requiredString("common_name")
            .requiredString("given_name")
            .requiredFloat("temperature_low")
            .requiredFloat("temperature_high")
            .requiredFloat("moisture_low")
            .requiredFloat("moisture_high")
            .endRecord();

    /** What a thread uses again and again. */
    private static final class Tools {
      final GenericDatumReader<GenericRecord> readings = new GenericDatumReader<>(READING);
      final GenericDatumReader<GenericRecord> plants = new GenericDatumReader<>(PLANT);
      GenericRecord reading;
      BinaryDecoder decoder;
    }

    private final ThreadLocal<Tools> tools = ThreadLocal.withInitial(Tools::new);

    @Override
    Reading reading(byte[] bytes) {
      Tools mine = tools.get();
      try {
        mine.reading = mine.readings.read(mine.reading, decoder(mine, bytes));
      } catch (IOException fault) {
        throw new UncheckedIOException(fault);
      }
      return new Reading((Float) mine.reading.get("moisture"));
    }

    @Override
    Plant plant(byte[] bytes) {
      if (bytes[0] == 0) {
        ByteBuffer stored = ByteBuffer.wrap(bytes, 1, bytes.length - 1);
        float moistureLow = stored.getFloat();
        byte[] name = new byte[stored.remaining()];
        stored.get(name);
        return new Plant(new String(name, StandardCharsets.UTF_8), moistureLow);
      }
      Tools mine = tools.get();
      try {
        GenericRecord plant = mine.plants.read(null, decoder(mine, bytes));
        return new Plant(plant.get("given_name").toString(), (Float) plant.get("moisture_low"));
      } catch (IOException fault) {
        throw new UncheckedIOException(fault);
      }
    }

    @Override
    byte[] stored(byte[] name, float moistureLow) {
      ByteBuffer stored = ByteBuffer.allocate(1 + Float.BYTES + name.length);
      return stored.put((byte) 0).putFloat(moistureLow).put(name).array();
    }

    private static BinaryDecoder decoder(Tools mine, byte[] bytes) {
      int length = bytes.length - HEADER_BYTES;
      mine.decoder =
          DecoderFactory.get().binaryDecoder(bytes, HEADER_BYTES, length, mine.decoder);
      return mine.decoder;
    }
  }
}
