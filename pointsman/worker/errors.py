"""What a handler raises to say how its task failed."""

from __future__ import annotations


class TaskFailed(Exception):
    """The end of one attempt. Raise `Retryable` or `NonRetryable`, which say whether another may follow.

    `type` is what `retry_on`, `no_retry_on` and people match on; `message` is for people.
    """

    retryable = True

    def __init__(self, message: object = "", *, type: str = "error") -> None:  # noqa: A002 - the word users know it by
        super().__init__(message)
        self.message = str(message)
        self.type = type


class Retryable(TaskFailed):
    """The attempt failed; another may pass. It follows if the node's retry policy has one left."""


class NonRetryable(TaskFailed):
    """The attempt failed, and so would every other: the node's retries end here."""

    retryable = False
