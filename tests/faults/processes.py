"""Experiments 1 to 5: processes are killed at named places and at any moment, while people talk."""

from __future__ import annotations

from .experiments import Experiment, struck
from .strikes import At, Kill, KillBackend

GATEWAY = Experiment(
    "gateway killed before its commit, after it, and after the reply",
    (
        At("gateway.message.before_commit", "gateway"),
        At("gateway.message.committed", "gateway"),
        At("gateway.message.replied", "gateway"),
        Kill("gateway"),
    ),
)
ORCHESTRATOR = Experiment(
    "orchestrator killed in mid-turn, before its commit and after it",
    (
        At("orchestrator.session.leased", "orchestrator"),
        At("orchestrator.turn.retrieved", "orchestrator"),
        At("orchestrator.turn.drafted", "orchestrator"),
        At("orchestrator.turn.before_commit", "orchestrator"),
        At("orchestrator.turn.committed", "orchestrator"),
        At("orchestrator.turn.retrieved", "orchestrator", "raise"),
        Kill("orchestrator"),
    ),
)
TRANSITIONS = Experiment(
    "orchestrator killed while people act: comments, tickets, replies, resolutions",
    (
        At("orchestrator.comments.before_commit", "orchestrator"),
        At("orchestrator.comments.committed", "orchestrator"),
        At("orchestrator.ticket.before_commit", "orchestrator"),
        At("orchestrator.ticket.committed", "orchestrator"),
        At("orchestrator.reply.before_commit", "orchestrator"),
        At("orchestrator.reply.committed", "orchestrator"),
        At("orchestrator.resolution.before_commit", "orchestrator"),
        At("orchestrator.resolution.committed", "orchestrator"),
    ),
)
RELAY = Experiment(
    "relay killed after its claim, and after the handler before the mark",
    (
        At("relay.command.claimed", "worker-delivery"),
        At("relay.command.handled", "worker-delivery"),
        At("worker.ticket.made", "worker-delivery"),
        Kill("worker-delivery"),
    ),
)
TICKETING = Experiment(
    "ticketing killed before its commits and after them",
    (
        At("ticketing.ticket.before_commit", "ticketing"),
        At("ticketing.ticket.committed", "ticketing"),
        At("ticketing.comment.before_commit", "ticketing"),
        At("ticketing.comment.committed", "ticketing"),
        At("ticketing.update.before_commit", "ticketing"),
        At("ticketing.update.committed", "ticketing"),
    ),
)
KNOWLEDGE = Experiment(
    "knowledge worker and retrieval killed around their commits",
    (
        At("worker.document.before_commit", "worker-knowledge"),
        At("worker.document.committed", "worker-knowledge"),
        At("worker.case.before_commit", "worker-knowledge"),
        At("worker.case.committed", "worker-knowledge"),
        At("retrieval.case.before_commit", "retrieval"),
        At("retrieval.case.committed", "retrieval"),
        Kill("evaluator"),
    ),
    documents=True,
)
POSTGRES = Experiment("PostgreSQL killed, server and single backends", (Kill("postgres"), KillBackend()))
# What `make test` runs: each process killed at the places that matter most.
SUBSET = (
    GATEWAY,
    Experiment(
        "orchestrator killed in mid-turn",
        (
            At("orchestrator.turn.retrieved", "orchestrator"),
            At("orchestrator.turn.before_commit", "orchestrator"),
            At("orchestrator.turn.committed", "orchestrator"),
        ),
    ),
    Experiment(
        "relay killed with a command in its hands",
        (
            At("relay.command.claimed", "worker-delivery"),
            At("relay.command.handled", "worker-delivery"),
            At("worker.ticket.made", "worker-delivery"),
        ),
    ),
    Experiment(
        "ticketing killed after its commits",
        (At("ticketing.ticket.committed", "ticketing"), At("ticketing.comment.committed", "ticketing")),
    ),
    POSTGRES,
)
TRIALS = (
    struck("1", GATEWAY),
    struck("2, 3", RELAY),
    struck("3, 4", ORCHESTRATOR),
    struck("3", TRANSITIONS),
    struck("3", TICKETING),
    struck("3", KNOWLEDGE),
    struck("5", POSTGRES),
)
EXPERIMENTS = (GATEWAY, ORCHESTRATOR, TRANSITIONS, RELAY, TICKETING, KNOWLEDGE, POSTGRES)
