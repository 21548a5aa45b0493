"""Compares what was acknowledged with what is there: each operation is ok, lost, duplicated or unexplained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from .evidence import Evidence, Happened, Noted, Opened, Said
from .ledger import Entry, Ledger

Kind = Literal["lost", "duplicated", "unexplained"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as promised. `about` names the operation or conversation."""

    kind: Kind
    about: str
    what: str


@dataclass(slots=True)
class Verdict:
    """What became of everything that was acknowledged. An operation counts once, under the first that is wrong."""

    operations: int = 0
    findings: list[Finding] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    """From each message to its outcome."""

    def count(self, kind: Kind) -> int:
        """How many findings of a kind."""
        return sum(each.kind == kind for each in self.findings)

    @property
    def clean(self) -> bool:
        return not self.findings

    @property
    def median_wait_s(self) -> float:
        return median(self.waits_s) if self.waits_s else 0.0

    @property
    def longest_wait_s(self) -> float:
        return max(self.waits_s, default=0.0)

    def words(self) -> str:
        """The first findings, a line each."""
        return "\n".join(f"{each.kind}: {each.about}: {each.what}" for each in self.findings[:20])


def check(ledger: Ledger, evidence: Evidence) -> Verdict:
    """Every promise, for everything in the ledger."""
    return _Check(ledger, evidence).verdict()


class _Check:
    def __init__(self, ledger: Ledger, evidence: Evidence) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._said = {each.message_id: each for each in evidence.messages}
        self._chains = _grouped(evidence.messages, lambda each: each.session_id)
        self._tickets = _grouped(evidence.tickets, lambda each: each.session_id)
        self._events = _grouped(evidence.events, lambda each: each.session_id)
        self._mirrors = _grouped(evidence.comments, lambda each: each.source_message_id or "")
        self._turns: dict[str, list[Happened]] = defaultdict(list)
        for event in evidence.events:
            for message_id in event.payload.get("turn", {}).get("customer_message_ids", ()):
                self._turns[message_id].append(event)
        self._verdict = Verdict(operations=len(ledger.entries))

    def verdict(self) -> Verdict:
        by_kind = {"post": self._post, "reply": self._reply, "resolve": self._resolve, "document": self._document}
        for entry in self._ledger.entries:
            finding = next(by_kind[entry.kind](entry), None)
            if finding is not None:
                self._verdict.findings.append(finding)
        for session_id in self._ledger.sessions:
            self._verdict.findings.extend(self._conversation(session_id))
        for each in self._evidence.unfinished:
            self._verdict.findings.append(Finding("unexplained", "outbox", each))
        for refusal in self._ledger.refusals:
            self._verdict.findings.append(Finding("unexplained", refusal.request_id, f"answered {refusal.status}"))
        return self._verdict

    # -- one operation each: the first finding counts --------------------------------------------------------------

    def _post(self, entry: Entry) -> Iterator[Finding]:
        message = self._said.get(entry.ref)
        if message is None:
            yield Finding("lost", entry.request_id, "the message is not there")
            return
        if (message.session_id, message.role, message.content) != (entry.session_id, "customer", entry.content):
            yield Finding("unexplained", entry.request_id, "the message is another one")
        same = [each for each in self._chains[entry.session_id] if each.content == entry.content]
        if len(same) > 1:
            yield Finding("duplicated", entry.request_id, f"the message is there {len(same)} times")
        yield from self._outcome(entry, message)

    def _outcome(self, entry: Entry, message: Said) -> Iterator[Finding]:
        turns, mirrors = self._turns[message.message_id], self._mirrors[message.message_id]
        if not turns and not mirrors:
            yield Finding("lost", entry.request_id, "neither answered, nor handed over, nor on the ticket")
            return
        if len(turns) > 1 or len(mirrors) > 1:
            yield Finding("duplicated", entry.request_id, f"{len(turns)} turns and {len(mirrors)} comments for it")
        if mirrors:
            yield from self._mirrored(entry, message, mirrors[0])
        if turns:
            yield from self._answered(entry, message, turns[0])
            yield from self._handed_over(entry, message, turns[0], bool(mirrors))

    def _mirrored(self, entry: Entry, message: Said, comment: Noted) -> Iterator[Finding]:
        self._verdict.waits_s.append((comment.created_at - message.created_at).total_seconds())
        own = {each.ticket_id for each in self._tickets[entry.session_id]}
        if comment.ticket_id not in own or comment.body != entry.content:
            yield Finding("unexplained", entry.request_id, "the comment is on another ticket, or says something else")

    def _answered(self, entry: Entry, message: Said, turn: Happened) -> Iterator[Finding]:
        record = turn.payload["turn"]
        burst = set(record["customer_message_ids"])
        replies = [each for each in self._chains[entry.session_id] if each.in_reply_to in burst]
        if not replies:
            yield Finding("lost", entry.request_id, "the turn's reply is not there")
            return
        if len(replies) > 1:
            yield Finding("duplicated", entry.request_id, f"{len(replies)} replies")
        if replies[0].message_id != record.get("response_message_id"):
            yield Finding("unexplained", entry.request_id, "the reply is not the turn's")
        self._verdict.waits_s.append((replies[0].created_at - message.created_at).total_seconds())

    def _handed_over(self, entry: Entry, message: Said, turn: Happened, mirrored: bool) -> Iterator[Finding]:
        """A turn that escalates makes a ticket that shows the message, or adds it to the one that stands."""
        escalations = [
            each
            for each in self._events[entry.session_id]
            if each.payload.get("escalation", {}).get("turn_event_id") == turn.payload["event_id"]
        ]
        if len(escalations) > 1:
            yield Finding("duplicated", entry.request_id, f"{len(escalations)} escalations")
        shown = [each for each in self._tickets[entry.session_id] if message.message_id in each.transcript]
        if escalations and not shown and not mirrored:
            yield Finding("lost", entry.request_id, "no ticket shows the message that was handed over")
        if mirrored and (shown or not escalations):
            yield Finding("duplicated", entry.request_id, "answered, and on the ticket as well")
        # Later tickets of the same conversation show what was said before, too.
        own = [each for each in shown if each.request_id == _key(escalations)]
        if len(own) > 1 or any(each.transcript.count(message.message_id) > 1 for each in shown):
            yield Finding("duplicated", entry.request_id, "handed over more than once")

    def _reply(self, entry: Entry) -> Iterator[Finding]:
        comments = [each for each in self._evidence.comments if each.comment_id == entry.ref]
        if not comments:
            yield Finding("lost", entry.request_id, "the comment is not there")
            return
        written = [
            each
            for each in self._evidence.comments
            if (each.ticket_id, each.author_type, each.body) == (comments[0].ticket_id, "agent", entry.content)
        ]
        said = [
            each
            for each in self._chains[entry.session_id]
            if each.source_comment_id == entry.ref or (each.role == "agent" and each.content == entry.content)
        ]
        if not said:
            yield Finding("lost", entry.request_id, "the customer never got it")
        elif len(said) > 1 or len(written) > 1:
            yield Finding("duplicated", entry.request_id, f"written {len(written)} times, said {len(said)} times")
        else:
            self._verdict.waits_s.append((said[0].created_at - comments[0].created_at).total_seconds())
            if said[0].content != entry.content or said[0].source_comment_id != entry.ref:
                yield Finding("unexplained", entry.request_id, "the customer got something else")

    def _resolve(self, entry: Entry) -> Iterator[Finding]:
        resolutions = [
            each
            for each in self._events[entry.session_id]
            if each.payload.get("resolution", {}).get("ticket_id") == entry.ref
        ]
        cases = self._evidence.cases.count(entry.ref)
        if not resolutions:
            yield Finding("lost", entry.request_id, "the conversation was never resolved")
        elif not cases:
            yield Finding("lost", entry.request_id, "nothing was learned from it")
        elif len(resolutions) > entry.attempts or cases > 1:
            # Without an etag, a call that is repeated is a second one: the ticket may have been opened again meanwhile.
            yield Finding("duplicated", entry.request_id, f"{len(resolutions)} resolutions, {cases} cases")

    def _document(self, entry: Entry) -> Iterator[Finding]:
        version, found_version, expected, chunks = self._evidence.documents.get(entry.ref, (0, 0, 0, 0))
        if version < int(entry.content) or found_version < int(entry.content):
            yield Finding("lost", entry.request_id, f"version {entry.content} of the document is not found")
        elif chunks < expected or not chunks:
            yield Finding("lost", entry.request_id, "passages of the document are missing")
        elif chunks > expected:
            yield Finding("duplicated", entry.request_id, "passages of the document are there twice")

    # -- a conversation as a whole ---------------------------------------------------------------------------------

    def _conversation(self, session_id: str) -> Iterator[Finding]:
        tickets, chain = self._tickets[session_id], self._chains[session_id]
        if session_id not in self._evidence.sessions:
            yield Finding("lost", session_id, "the conversation is not there")
            return
        escalations = [each for each in self._events[session_id] if each.type == "escalated"]
        mine = {each.ticket_id for each in tickets}
        unhandled = sum(each.status in ("open", "pending") for each in tickets)
        if unhandled > 1:
            yield Finding("duplicated", session_id, f"{unhandled} open tickets")
        if len(tickets) > len(escalations):
            yield Finding("duplicated", session_id, f"{len(tickets)} tickets for {len(escalations)} escalations")
        for each in escalations:
            message_id = each.payload["escalation"].get("message_id", "")
            on_standing = any(comment.ticket_id in mine for comment in self._mirrors[message_id])
            if not on_standing and not any(ticket.request_id == _key([each]) for ticket in tickets):
                yield Finding("lost", session_id, "an escalation without a ticket")
        if escalations and self._evidence.sessions[session_id] not in mine:
            yield Finding("lost", session_id, "the conversation does not know its ticket")
        yield from self._unaccounted(session_id, chain)
        yield from self._disorder(session_id, tickets)

    def _unaccounted(self, session_id: str, chain: list[Said]) -> Iterator[Finding]:
        """What the desk said without a turn, and what nobody acknowledged: a call that was given up may have happened,
        but not twice."""
        responses = Counter(
            each.payload["turn"].get("response_message_id") for each in self._events[session_id] if each.type == "turn"
        )
        for said in chain:
            if said.role in ("assistant", "system") and responses[said.message_id] != 1:
                yield Finding("unexplained", session_id, f"{responses[said.message_id]} turns said {said.message_id}")

    def _disorder(self, session_id: str, tickets: list[Opened]) -> Iterator[Finding]:
        """A ticket shows what the customer said in the order in which it was said."""
        for ticket in tickets:
            order = [
                self._said[each.source_message_id].sequence
                for each in self._evidence.comments
                if each.ticket_id == ticket.ticket_id and each.source_message_id in self._said
            ]
            if order != sorted(order):
                yield Finding("unexplained", session_id, f"comments out of order on ticket {ticket.ticket_id}")


def _key(escalations: list[Happened]) -> str:
    """The request_id of the ticket of an escalation."""
    return f"ticket:{escalations[0].payload['escalation'].get('message_id', '')}" if escalations else ""


def _grouped(items: list, key: Callable[..., str]) -> dict[str, list]:  # type: ignore[type-arg]
    groups: dict[str, list] = defaultdict(list)  # type: ignore[type-arg]
    for each in items:
        groups[key(each)].append(each)
    return groups
