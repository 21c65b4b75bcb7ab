"""The handlers of the support desk. Each does a little real work, and takes the time its node's config says.

pointsman worker examples/support-triage/worker.py
"""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.worker import NonRetryable, Retryable, Task, Worker

worker = Worker("function")

TOPICS = {"billing": ("charged", "invoice", "refund"), "access": ("login", "password", "locked")}
ANGRY = ("unacceptable", "nobody", "never", "worst", "!")
CUSTOMERS = {
    "c-77": {"name": "Ada", "email": "ada@example.com", "plan": "team"},
    "c-12": {"name": "Grace", "email": "grace@example.com", "plan": "enterprise"},
}
PARTS = {
    "greeting": "Hello {customer},",
    "answer": "we have looked into “{subject}” and are putting it right.",
    "deadline": "You will hear from us again before tomorrow noon.",
    "apology": "We are sorry for the trouble.",
}


async def work(task: Task) -> None:
    """Take as long as the node's config says."""
    await asyncio.sleep(task.config.get("takes_ms", 400) / 1_000)


@worker.handler("receive_ticket")
async def receive_ticket(task: Task) -> dict[str, Any]:
    """Take the ticket in."""
    await work(task)
    ticket = task.config["ticket"]
    return {key: ticket[key].strip() for key in ("id", "customer", "subject", "text")}


@worker.handler("classify")
async def classify(task: Task) -> dict[str, Any]:
    """Say what the ticket is about."""
    await work(task)
    text = task.payload["text"].lower()
    hits = {topic: sum(word in text for word in words) for topic, words in TOPICS.items()}
    topic = max(hits, key=lambda name: hits[name])
    return {"topic": topic if hits[topic] else "other", "words": hits[topic]}


@worker.handler("read_sentiment")
async def read_sentiment(task: Task) -> dict[str, Any]:
    """Say how angry its author is, from 0 to -1."""
    await work(task)
    text = task.payload["text"].lower()
    return {"score": -min(sum(text.count(sign) for sign in ANGRY), 4) / 4}


@worker.handler("look_up_customer")
async def look_up_customer(task: Task) -> dict[str, Any]:
    """Find out who wrote it."""
    await work(task)
    customer = CUSTOMERS.get(task.config["customer"])
    if customer is None:
        raise NonRetryable(f"no customer {task.config['customer']!r}", type="unknown_customer")
    return customer


@worker.handler("page_on_call")
async def page_on_call(task: Task) -> dict[str, Any]:
    """Wake somebody up."""
    await work(task)
    return {"priority": "urgent", "paged": "on-call", "ticket": task.config["ticket"]}


@worker.handler("put_in_queue")
async def put_in_queue(task: Task) -> dict[str, Any]:
    """Let it wait for its turn."""
    await work(task)
    return {"priority": "normal", "queue": task.config["topic"]}


@worker.handler("draft_reply")
async def draft_reply(task: Task) -> dict[str, Any]:
    """Write a reply. From the second pass on the payload is the last score, and its first advice is taken."""
    await work(task)
    last = task.payload
    includes = [*last["includes"], *last["missing"][:1]] if "includes" in last else ["greeting", "answer"]
    reply = " ".join(text for part, text in PARTS.items() if part in includes)
    return {"reply": reply.format(**task.config), "includes": includes}


@worker.handler("score_reply")
async def score_reply(task: Task) -> dict[str, Any]:
    """Say how good the draft is, and what is missing."""
    await work(task)
    missing = [part for part in PARTS if part not in task.payload["includes"]]
    return {"score": 100 - 22 * len(missing), "missing": missing, "pass": task.config["pass"], **task.payload}


@worker.handler("send_reply")
async def send_reply(task: Task) -> dict[str, Any]:
    """Mail it. The mail server wants to be asked twice, as they do."""
    await work(task)
    if task.attempt == 1:
        raise Retryable("the mail server said: 451 try again later", type="mail_busy")
    return {"sent_to": task.config["to"], "reply": task.payload["reply"], "passes": task.payload["pass"]}


@worker.handler("hand_over")
async def hand_over(task: Task) -> dict[str, Any]:
    """Three drafts were not good enough: somebody shall write it."""
    await work(task)
    return {"assigned_to": f"{task.config['topic']} team", "passes": task.payload["pass"]}


@worker.handler("close_ticket")
async def close_ticket(task: Task) -> dict[str, Any]:
    """File it."""
    await work(task)
    return {"ticket": task.config["ticket"], "closed": "sent_to" in task.payload, "passes": task.payload["passes"]}


@worker.handler("notify_slack")
async def notify_slack(task: Task) -> dict[str, Any]:
    """Tell a channel. No node asks for it: it is there to be added to a run that is on its way."""
    await work(task)
    return {"channel": task.config["channel"], "text": f"Ticket {task.config['ticket']} has its reply."}
