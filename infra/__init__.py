"""What runs Streamweir on one machine: set-up, the supervised servers, and `make demo`."""
