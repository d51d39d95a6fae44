"""Presets: stored in Redis, followed, compiled for the served bundle (docs/adr/0005)."""
