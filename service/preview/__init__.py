"""What a preset would do before it is live, and whether it may go live (docs/operating.md)."""
