"""A question as one BYTES element of a V2 request: for servers that batch tensors of one shape.

V2 leaves the meaning of bytes to the model; here they are `bench.peers.frame`'s.
"""

from bench.peers import v2
from bench.peers.frame import Float32, Int64, Row, answer_of, row_bytes
from bench.peers.peer import Way, Wire

MODEL = "steered"


def encoded(row: Row) -> bytes:
    """The question."""
    request = v2.messages()["inference.ModelInferRequest"](model_name=MODEL)
    tensor = request.inputs.add(name="question", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(row_bytes(row))
    serialised: bytes = request.SerializeToString()
    return serialised


def decoded(body: bytes) -> tuple[Int64, Float32]:
    """Items [k] and scores [k] of the answer.

    Raises:
        ValueError: not one tensor of one element, or not a whole number of places.
    """
    response = v2.messages()["inference.ModelInferResponse"].FromString(body)
    elements = [own for tensor in response.outputs for own in tensor.contents.bytes_contents]
    if len(elements) != 1:
        raise ValueError(f"an answer of {len(elements)} elements, not 1")
    return answer_of(elements[0])


WAY = Way(Wire.GRPC, v2.PATH, encoded, decoded)
