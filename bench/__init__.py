"""Side-by-side benchmarks that print ratios; each module's docstring has its command."""
