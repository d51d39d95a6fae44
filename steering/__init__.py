"""Rules, plans and edits of SAE activations: arithmetic on values (docs/adr/0002-steering.md)."""
