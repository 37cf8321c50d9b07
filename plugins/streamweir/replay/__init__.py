"""The replay: recorded rows become batches, batches become messages, on a virtual clock."""
