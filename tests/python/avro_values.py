"""Values in Confluent's wire format, made and read by Confluent's own client.

    avro_values.py REGISTRY TOPIC write SCHEMA_FILE < values as JSON, a line each
    avro_values.py REGISTRY TOPIC read  < values in base64, a line each

What it makes it prints in base64, what it reads as JSON.
"""

import base64
import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main():
    url, topic, verb, *schema_file = sys.argv[1:]
    registry = SchemaRegistryClient({"url": url})
    context = SerializationContext(topic, MessageField.VALUE)
    if verb == "write":
        with open(schema_file[0], encoding="utf-8") as file:
            serialize = AvroSerializer(registry, file.read())
        for line in sys.stdin:
            value = serialize(json.loads(line), context)
            print(base64.b64encode(value).decode())
        return
    deserialize = AvroDeserializer(registry)
    for line in sys.stdin:
        print(json.dumps(deserialize(base64.b64decode(line), context)))


main()
