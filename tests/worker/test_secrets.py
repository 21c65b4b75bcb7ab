"""Secrets: known by name in the worker, and taken out of what it reports."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from pointsman.settings import secrets as secrets_in
from pointsman.worker import NonRetryable
from pointsman.worker.secrets import Secrets

KNOWN = {"MAIL_TOKEN": SecretStr("s3cret"), "PAGER": SecretStr("s3cret-too"), "NOTHING": SecretStr("")}


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("secret://mail_token", "s3cret"),
        ("secret://mail-token", "s3cret"),
        ("Bearer secret://MAIL.TOKEN", "Bearer s3cret"),
        ("secret://mail_token:secret://pager.", "s3cret:s3cret-too."),
        ("no secret in here", "no secret in here"),
        ("secret://nothing", ""),
    ],
)
def test_references_are_replaced_wherever_they_stand(text: str, resolved: str) -> None:
    assert Secrets(KNOWN).resolve(text) == resolved


def test_an_unknown_secret_names_the_variable_to_set() -> None:
    with pytest.raises(NonRetryable) as failed:
        Secrets(KNOWN).resolve("secret://stripe.key")
    assert failed.value.type == "unknown_secret"
    assert failed.value.message == (
        "this worker has no secret 'stripe.key'. Set POINTSMAN_SECRET_STRIPE_KEY where it runs."
    )


def test_values_that_were_handed_out_are_taken_out_of_text() -> None:
    # Given secrets of which one begins like another
    secrets = Secrets(KNOWN)
    assert secrets.redact("s3cret and s3cret-too") == "s3cret and s3cret-too"
    # When they are handed out
    secrets.resolve("secret://mail_token secret://pager secret://nothing")
    # Then neither is readable, and an empty one hides nothing
    assert secrets.redact("s3cret and s3cret-too") == "*** and ***"


def test_only_variables_for_secrets_are_secrets() -> None:
    environ = {"POINTSMAN_SECRET_MAIL": "a", "DATABASE_URL": "postgresql://x:y@z/d", "POINTSMAN_API_KEY": "k"}
    assert secrets_in(environ) == {"MAIL": SecretStr("a")}
