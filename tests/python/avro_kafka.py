"""Confluent's own client for Python on a real broker, with a real schema registry.

    avro_kafka.py BROKERS REGISTRY TOPIC write SCHEMA_FILE < {"key", "value", "ts"} a line
    avro_kafka.py BROKERS REGISTRY TOPIC read COUNT

What it reads it prints as {"key", "value"} a line, moments as milliseconds since 1970.
"""

import datetime
import json
import sys

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

WITHIN_SECONDS = 60


def write(brokers, registry, topic, schema_file):
    with open(schema_file, encoding="utf-8") as file:
        serialize = AvroSerializer(registry, file.read())
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer({"bootstrap.servers": brokers})
    failed = []
    for line in sys.stdin:
        record = json.loads(line)
        producer.produce(
            topic,
            key=record["key"],
            value=serialize(record["value"], context),
            timestamp=record["ts"],
            on_delivery=lambda error, _: error and failed.append(error),
        )
        producer.poll(0)
    if producer.flush(WITHIN_SECONDS) or failed:
        sys.exit(f"not delivered: {failed}")


def plain(moment):
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


def read(brokers, registry, topic, count):
    deserialize = AvroDeserializer(registry)
    context = SerializationContext(topic, MessageField.VALUE)
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "foreign", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    for _ in range(count):
        message = consumer.poll(WITHIN_SECONDS)
        if message is None or message.error():
            sys.exit(f"nothing came: {message and message.error()}")
        value = deserialize(message.value(), context)
        print(json.dumps({"key": message.key().decode(), "value": value}, default=plain))
    consumer.close()


def main():
    brokers, url, topic, verb, last = sys.argv[1:]
    registry = SchemaRegistryClient({"url": url})
    if verb == "write":
        write(brokers, registry, topic, last)
    else:
        read(brokers, registry, topic, int(last))


main()
