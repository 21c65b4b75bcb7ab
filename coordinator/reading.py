"""From deliveries to signals: parsed, addressed, their large outputs already in the blob store."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from pointsman.base.errors import SignalRejected
from pointsman.base.ids import RunId, job_id
from pointsman.execute import stored
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.signal_source import Delivery
from pointsman.protocol.output import is_blob
from pointsman.protocol.signal import Completed, Failed, Signal, WireSignal, decode_signal, encode_wire


class Reported(NamedTuple):
    """A delivery and what it says."""

    delivery: Delivery
    signal: Signal

    @property
    def run_id(self) -> RunId:
        """The run it is about."""
        return self.signal.run_id

    def kept(self) -> Delivery:
        """The delivery as it is set aside: a large output by reference, so that it can be put back whole."""
        signal = self.signal
        if not isinstance(signal, Completed) or not is_blob(signal.output.ref):
            return self.delivery
        job = job_id(signal.run_id, signal.token, signal.attempt) if signal.token is not None else ""
        wire = WireSignal("completed", job_id=job, run_id=signal.run_id, node_id=signal.node or "")
        wire.result_ref, wire.metadata = signal.output.ref, signal.metadata
        return self.delivery._replace(body=encode_wire(wire))


class Reader:
    """Reads deliveries within the sizes the settings allow."""

    def __init__(self, blobs: BlobStore, inline_limit: int, max_bytes: int) -> None:
        self._blobs = blobs
        self._inline_limit = inline_limit
        self._max_bytes = max_bytes

    async def read(self, delivery: Delivery) -> Reported:
        """What one delivery says.

        A completion above `max_signal_bytes` becomes a failure of its attempt, so that its run does not wait for ever.

        Raises:
            SignalRejected: See `decode_signal`.
        """
        signal = decode_signal(delivery.body)
        if not isinstance(signal, Completed):
            return Reported(delivery, signal)
        if len(delivery.body) > self._max_bytes:
            return Reported(delivery, self._too_large(signal, len(delivery.body)))
        if len(delivery.body) > self._inline_limit:
            output = await stored(signal.output, self._blobs, self._inline_limit)
            signal = replace(signal, output=output)
        return Reported(delivery, signal)

    def _too_large(self, signal: Completed, size: int) -> Failed:
        told = (
            f"its signal has {size} bytes, POINTSMAN_COORDINATOR_MAX_SIGNAL_BYTES is {self._max_bytes}; "
            "store the result and report a result_ref"
        )
        return Failed(
            signal.run_id, signal.token, signal.attempt, "output_too_large", told, retryable=False, node=signal.node
        )


def rejection(wrong: Exception) -> SignalRejected:
    """The reason a signal is set aside because stepping it raised something nobody foresaw."""
    return SignalRejected(
        "SIG090",
        f"stepping this signal raised {type(wrong).__name__}: {wrong}. It was set aside; this is a bug, report it.",
    )
