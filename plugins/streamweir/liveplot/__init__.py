"""The plotting consumer: reads a topic without Spark and draws while the replay runs."""
