"""The supervisor that owns the stack's processes."""
