"""Asks: load in known shapes, sent at its time, counted so that the figures cannot flatter."""
