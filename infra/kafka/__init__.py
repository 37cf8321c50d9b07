"""The Kafka broker: one KRaft node on 127.0.0.1."""
