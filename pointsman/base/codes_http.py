"""The pages of what the HTTP API says about requests."""

from __future__ import annotations

from typing import Final

from pointsman.base.page import Page

HTTP_PAGES: Final[dict[str, Page]] = {
    "API001": Page(
        "Nothing there",
        "The address of the request is none that the API has.",
        "Nothing was done.",
        "Look the address up in /openapi.json.",
        404,
    ),
    "API002": Page(
        "The method is not allowed",
        "The address exists, and does not take this method.",
        "Nothing was done.",
        "Use one of those that the header `Allow` lists.",
        405,
    ),
    "API003": Page(
        "The body is not JSON",
        "The body cannot be read as JSON in UTF-8; the problem says where.",
        "Nothing was changed.",
        "Send valid JSON.",
        400,
    ),
    "API004": Page(
        "The body is of another kind",
        "The header `Content-Type` is missing, or names a kind of body that the address does not take.",
        "The body was not read; nothing was changed.",
        "Send the Content-Type that the message names: for JSON `application/json`.",
        415,
    ),
    "API005": Page(
        "The body is too large",
        "The body has more than 8 MiB.",
        "Nothing was changed.",
        "Keep large data in a store of your own and send a reference to it.",
        413,
    ),
    "API006": Page(
        "The request is not what is asked for",
        "A field or parameter is missing, unknown, or not of the kind or within the bounds that are asked for. Each is "
        "listed, with its place: a pointer into the body, or `/query/…`, `/path/…`, `/header/…`.",
        "Nothing was changed.",
        "Correct every place listed; /openapi.json describes each request.",
        422,
    ),
    "API007": Page(
        "No known API key",
        "The API has keys, and the request came without one or with one that it does not know.",
        "Nothing was done.",
        "Send `Authorization: Bearer <key>`.",
        401,
    ),
    "API008": Page(
        "Addressed to another host",
        "The API has no keys and so serves this machine alone, and the header `Host` is none of the machine's own "
        "names: a web page may have pointed its own name here.",
        "Nothing was done.",
        "Call it as localhost or 127.0.0.1, or set an API key.",
        421,
    ),
    "API009": Page(
        "Sent by a foreign web page",
        "The API has no keys, and the header `Origin` says that a page from elsewhere sent the request.",
        "Nothing was done.",
        "Call from a page that the API itself serves, or set an API key.",
        403,
    ),
    "API010": Page(
        "No such workflow",
        "No workflow of that name, or not that version of it, was ever published.",
        "Nothing was changed.",
        "List the workflows there are: GET /api/v1/workflows.",
        404,
    ),
    "API011": Page(
        "A workflow needs a name",
        "The definition has no `name`, or one that cannot stand in an address.",
        "It was not published.",
        "Give it a `name` of at most 200 printable characters without a slash.",
        422,
    ),
    "API012": Page(
        "The run id is taken",
        "There is a run of that id already.",
        "That run is as it was; no other was accepted.",
        "Choose another run_id, or none. To send a request again safely, use `Idempotency-Key`.",
        409,
    ),
    "API013": Page(
        "The Idempotency-Key was used before",
        "The key came with another request: another body, or other parameters.",
        "Nothing was done.",
        "Use a new key for each request, and the same one only to send the very same request again.",
        422,
    ),
    "API014": Page(
        "The same request is being carried out",
        "A request with this Idempotency-Key has begun and was not answered yet, or was not confirmed.",
        "It was not begun again.",
        "Send it again in a moment; a key whose request was never answered is free after a minute.",
        409,
    ),
    "API015": Page(
        "The run has another revision",
        "The header `If-Match` names a revision that is not the run's.",
        "Nothing was changed.",
        "Read the definition again, whose `ETag` is the revision, and see whether the patch still means the same.",
        412,
    ),
    "API016": Page(
        "Done, but not durable yet",
        "The run was changed in Redis, and the journal has not written that down in time.",
        "The change holds unless Redis is lost before the journal has caught up.",
        "See that a supervisor is running and can reach Postgres. Look at the run before sending the request again.",
        503,
    ),
    "API017": Page(
        "No such error code",
        "There is no page for this code.",
        "Nothing was done.",
        "See docs/reference/errors.md.",
        404,
    ),
    "API040": Page(
        "Not an edit token of this API",
        "The credential begins like an edit token, and was not signed with this API's key, was changed since, or "
        "was handed on by other means than narrowing.",
        "Nothing was done; if a run was named, the refusal is in its patches.",
        "Ask for a token with POST /api/v1/edit-tokens. API processes beside each other need the same "
        "POINTSMAN_EDITS_KEY_FILE.",
        401,
    ),
    "API041": Page(
        "The edit token has expired",
        "The time that it was issued for is over.",
        "Nothing was done; if a run was named, the refusal is in its patches.",
        "Ask for another one, as long as the task is running.",
        401,
    ),
    "API042": Page(
        "The task of the edit token is over",
        "The run has ended, or the attempt that the token was issued for has: it was reported, timed out, was "
        "cancelled, or was lost with its worker and handed out again.",
        "Nothing was done; if a run was named, the refusal is in its patches.",
        "Ask for a token for the attempt that is out now, if there is one.",
        403,
    ),
    "API043": Page(
        "An edit token of another run",
        "The token was issued for a task of another run than the one that the request names.",
        "Nothing was done; if a run was named, the refusal is in its patches.",
        "Send it to its own run alone.",
        403,
    ),
    "API044": Page(
        "Not with an edit token",
        "Edit tokens are for edits of their run: PATCH of the run, and POST to its `patch` and `edits`.",
        "Nothing was done.",
        "Use an API key for everything else.",
        403,
    ),
    "API045": Page(
        "No such task is out",
        "The job_id names no attempt that a worker has at the moment.",
        "No token was issued.",
        "Ask while the task is running, with the job_id that came with it, unchanged.",
        409,
    ),
    "API046": Page(
        "More than an edit token may have",
        "The request asks for node types, nodes or operations beyond what this installation grants to a task.",
        "No token was issued.",
        "Ask for what the message lists, or less. POINTSMAN_EDITS_TOKEN_TYPES, _NODES and _OPERATIONS set the bounds.",
        403,
    ),
    "API047": Page(
        "Handed on too often",
        "An edit token can be narrowed a limited number of times, one after the other.",
        "No token was made.",
        "Narrow the token you were given, and not one that has been narrowed again and again.",
    ),
    "API060": Page(
        "No such edit of a fleet",
        "The workflow has no edit of that id; it may be one of another workflow.",
        "Nothing was done.",
        "Use the `Location` that the edit was answered with.",
        404,
    ),
    "API061": Page(
        "The edit of a fleet is over",
        "It was cancelled or is complete, which is final.",
        "Nothing was changed.",
        "Ask for a new edit. Runs that have this one can be reverted one by one.",
        409,
    ),
    "API070": Page(
        "No such tag",
        "The workflow has no tag of that name: it was never made, or was taken away.",
        "Nothing was changed.",
        "List the tags of the workflow: GET /api/v1/workflows/{name}/tags.",
        404,
    ),
    "API071": Page(
        "Nothing to roll back to",
        "Before the move that would be taken back, the tag did not exist.",
        "The tag is where it was.",
        "Put it to the version you want, or remove it.",
        409,
    ),
    "API072": Page(
        "The tag has moved",
        "The header `If-Match` names a move of the tag that is not its last.",
        "The tag is where the other move put it.",
        "Read the tag again, whose `ETag` is its last move, and see whether yours is still right.",
        412,
    ),
    "API080": Page(
        "No such dead letter",
        "There is no dead letter of that id, or a recovery after the loss of Redis took back the failure it told of.",
        "Nothing was changed.",
        "List dead letters: GET /api/v1/dead-letters.",
        404,
    ),
    "API090": Page(
        "The request failed",
        "Serving the request raised an error nobody foresaw: a bug in Pointsman.",
        "What was done until then stands; runs are never left half-changed.",
        "Report it with the log line `request_failed`.",
        500,
    ),
}
