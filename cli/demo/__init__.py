"""The demo: train, serve, steer, measure, stop."""
