"""What the rooms agree on: topics, headers, object keys, columns, windows. Each is declared here, once."""
