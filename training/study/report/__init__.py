"""The study's report: one HTML file that needs nothing else."""
