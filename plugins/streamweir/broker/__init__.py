"""Kafka for every room: topics, records read back, and the clients behind them."""
