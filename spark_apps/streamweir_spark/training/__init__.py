"""Training, the same for every pipeline with a model: split, candidates, selection, card, gate."""
