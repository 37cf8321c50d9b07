"""What the scorer and the training of `card_fraud` know."""
