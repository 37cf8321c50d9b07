"""The model registry: immutable versions with cards, a champion pointer, and the gate in front of it."""
