"""Other servers with the same steered graph, beside the service: docs/adr/0016-peers.md."""
