"""What was answered: kept off the request path, and answered again (docs/adr/0008)."""
