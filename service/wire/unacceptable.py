"""The error that ends a call because of what its caller sent or asked for."""

import grpc


class Unacceptable(Exception):
    """Ends a call with a status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
