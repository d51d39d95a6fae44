"""The subcommands: their words and options; what they do is imported when they run."""
