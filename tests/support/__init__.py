"""What several tests need: made-up runs, and an object store in memory."""
