"""Searching through the wire: what is found, by whom, in which order, and what the diagnostics say of it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from groundline.retrieval.v1 import evidence_pb2, retrieval_pb2
from meshkit import testing
from meshkit.errors import from_rpc_error
from meshkit.models.endpoint import Endpoint
from meshkit.models.reranking import open_reranker
from svc_retrieval.ranking import Ranking
from svc_retrieval.reranking import Reranking
from svc_retrieval.shortlist import enough_for
from svc_retrieval.store.search import VectorSpace
from tests.models.scripted_server import Reply, Request, ScriptedServer, error, json_reply

from .knowledge_desk import KnowledgeDesk, WordEmbedder, open_desk

PAGES = {
    "errors/e-4012.md": "# Gateway not verified\n\nError E-4012 is shown when the console can't verify the gateway.",
    "errors/e-4013.md": "# Clock wrong\n\nError E-4013 is shown when the clock of the gateway is wrong.",
    "pricing/skus.md": "# Order numbers\n\nOrder the mesh node as LM3-PRO-EU in Europe.",
    "notes/3-6.md": "# Release 3.6.1\n\nRelease 3.6.1 repairs the guest network. Works with WPA2/WPA3.",
    "manuals/reset.md": "# Reset\n\nHold the button for twelve seconds to reset the gateway to factory settings.",
    "manuals/guests.md": "# Guests\n\nSwitch the guest network on under Wireless and choose a password for it.",
}
SECRET = "---\nacl: [group:supervisors]\n---\n# Falcon\n\nThe falcon gateway reset button is a secret of the company."


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[KnowledgeDesk]:
    async with open_desk(database_url, keys, tmp_path) as desk:
        admin = await desk.caller("admin")
        for uri, content in PAGES.items():
            await admin.write(uri, content)
        await desk.index()
        yield desk


def uris(pack: evidence_pb2.EvidencePack) -> list[str]:
    return [each.doc_uri for each in pack.evidence]


def signals(evidence: evidence_pb2.Evidence) -> dict[str, Any]:
    return {each.name: each.score for each in evidence.signals}


async def test_evidence_is_complete(desk: KnowledgeDesk) -> None:
    pack = await (await desk.caller("agent")).search("How do I reset the gateway to factory settings?", top_k=2)
    assert len(pack.evidence) == 2
    best = pack.evidence[0]
    assert best.doc_uri == "manuals/reset.md"
    assert best.title == "Reset"
    assert best.text_sha256 == hashlib.sha256(best.text.encode()).hexdigest()
    assert 0 <= best.span_start < best.span_end
    assert best.kind == evidence_pb2.EVIDENCE_KIND_DOCUMENT
    assert best.doc_version == 1
    assert list(best.acl) == ["public"]
    assert best.HasField("doc_updated_at")
    assert set(signals(best)) == {"bm25", "cosine", "coverage", "bigram", "title_cosine", "fused"}
    assert {each.name: each.rank for each in best.signals}["bm25"] == 1
    assert 0 < pack.evidence[1].score < best.score <= 1
    assert pack.knowledge_base == "default"


async def test_diagnostics_explain_the_search(desk: KnowledgeDesk) -> None:
    pack = await (await desk.caller("agent")).search("please help, how do I reset the gateway?")
    told = pack.diagnostics
    # Words of courtesy count for nothing; the rarest word comes first.
    assert [each.lexeme for each in told.terms] == ["reset", "gateway"]
    assert told.terms[0].document_frequency == 1
    assert told.terms[0].idf > told.terms[1].idf > 0
    assert told.corpus_chunks == await desk.owner.fetchval("select count(*) from knowledge.doc_chunks")
    legs = {each.name: each for each in told.legs}
    assert set(legs) == {"lexical", "vector"}
    assert legs["vector"].candidates == told.corpus_chunks
    # SQL ranks the leg, Python scores what both legs found: the formula must be the same.
    assert legs["lexical"].top_score == pytest.approx(max(signals(each)["bm25"] for each in pack.evidence))
    assert (told.embedding_model, told.config_id[:6]) == ("words-64", "lin-3:")
    assert told.total_ms >= legs["vector"].duration_ms > 0


@pytest.mark.parametrize(
    ("query", "uri"),
    [
        ("E-4012", "errors/e-4012.md"),
        ("what does error e4012 mean", "errors/e-4012.md"),
        ("error E\u20114013?", "errors/e-4013.md"),
        ("code 4013", "errors/e-4013.md"),
        ("price of lm3-pro-eu", "pricing/skus.md"),
        ("what is new in 3.6.1.", "notes/3-6.md"),
        ("is WPA3 supported", "notes/3-6.md"),
    ],
)
async def test_identifiers_are_found_as_written(desk: KnowledgeDesk, query: str, uri: str) -> None:
    assert uris(await (await desk.caller("agent")).search(query))[0] == uri


async def test_a_question_of_stop_words_and_one_of_nothing_known(desk: KnowledgeDesk) -> None:
    agent = await desk.caller("agent")
    assert [each.lexeme for each in (await agent.search("hello")).diagnostics.terms] == ["hello"]
    for query in ("the", "???", "' | & ! ( \\ :*", "zyxwv"):
        pack = await agent.search(query)
        assert all(each.score < 0.5 for each in pack.evidence), query
        assert all(signals(each)["bm25"] == 0 for each in pack.evidence), query


async def test_a_forbidden_document_changes_nothing_that_its_outsider_sees(desk: KnowledgeDesk) -> None:
    """Not the evidence, not one score, not how rare a word is said to be."""
    agent = await desk.caller("agent")
    questions = ("falcon gateway reset button", "secret of the company", "reset the gateway")
    before = [await agent.search(each) for each in questions]
    await (await desk.caller("admin")).write("internal/falcon.md", SECRET)
    await desk.index()
    after = [await agent.search(each) for each in questions]
    assert [stable(each) for each in before] == [stable(each) for each in after]
    assert uris(await (await desk.caller("supervisor")).search(questions[0]))[0] == "internal/falcon.md"


async def test_only_a_service_speaks_for_other_groups(desk: KnowledgeDesk) -> None:
    await (await desk.caller("admin")).write("internal/falcon.md", SECRET)
    await desk.index()
    query = {"query": "falcon secret", "groups": ["group:supervisors"]}
    assert "internal/falcon.md" in uris(await (await desk.caller("service")).search(**query))
    assert "internal/falcon.md" not in uris(await (await desk.caller("agent")).search(**query))
    # A service that names nobody sees what everybody sees, and named groups always come with `public`.
    assert "internal/falcon.md" not in uris(await (await desk.caller("service")).search("falcon secret"))
    assert "manuals/reset.md" in uris(
        await (await desk.caller("service")).search("reset", groups=["group:supervisors"])
    )


async def test_deleted_is_never_found_and_a_new_version_replaces_the_old(desk: KnowledgeDesk) -> None:
    admin, agent = await desk.caller("admin"), await desk.caller("agent")
    changed = await admin.write("manuals/reset.md", "# Reset\n\nHold the lever for thirty seconds.")
    await desk.index()
    pack = await agent.search("hold the button for twelve seconds to reset")
    (found,) = [each for each in pack.evidence if each.doc_uri == "manuals/reset.md"]
    assert "thirty" in found.text
    assert found.doc_version == 2
    await admin.knowledge.DeleteDocument(kb.DeleteDocumentRequest(doc_id=changed.document.doc_id))
    assert "manuals/reset.md" not in uris(await agent.search("hold the lever for thirty seconds"))
    assert not await desk.owner.fetchval("select count(*) from knowledge.term_stats where lexeme = 'lever'")
    # The worker comes late with a command of before.
    await desk.owner.execute("update messaging.outbox set status = 'pending'")
    await desk.index()
    assert "manuals/reset.md" not in uris(await agent.search("hold the lever for thirty seconds"))


async def test_a_superseded_page_stands_behind_its_successor(desk: KnowledgeDesk) -> None:
    admin, agent = await desk.caller("admin"), await desk.caller("agent")
    old = "# Returns 2023\n\nReturn the device within fourteen days. Return the device and return shipping is yours."
    await admin.write("policies/returns-2023.md", old)
    await desk.index()
    (alone,) = [each for each in (await agent.search("return the device")).evidence if "returns" in each.doc_uri]
    assert not alone.HasField("superseded_by_doc_id")
    new = "---\nsupersedes: policies/returns-2023.md\nacl: [{}]\n---\n# Refunds\n\nSend a device back, or return it."
    hidden = await admin.write("policies/refunds.md", new.format("group:supervisors"))
    await desk.index()
    pack = await agent.search("return the device")
    assert not any(each.HasField("superseded_by_doc_id") for each in pack.evidence), "a hidden successor shows nowhere"
    await admin.write("policies/refunds.md", new.format("public"))
    await desk.index()
    pack = await agent.search("return the device")
    assert uris(pack)[:2] == ["policies/refunds.md", "policies/returns-2023.md"]
    assert pack.evidence[1].superseded_by_doc_id == hidden.document.doc_id
    assert signals(pack.evidence[1])["fused"] > pack.evidence[1].score


async def test_a_copy_is_folded_and_a_contradiction_is_not(desk: KnowledgeDesk) -> None:
    admin, agent = await desk.caller("admin"), await desk.caller("agent")
    mirrored = PAGES["manuals/reset.md"].replace("twelve seconds", "*twelve*  seconds")
    copy = await admin.write("mirror/reset.md", mirrored)
    await admin.write("forum/reset.md", PAGES["manuals/reset.md"].replace("twelve", "thirty"))
    await desk.index()
    pack = await agent.search("How do I reset the gateway to factory settings?")
    copies = {"manuals/reset.md", "mirror/reset.md"}
    (kept,) = [each for each in pack.evidence if each.doc_uri in copies]
    (folded,) = kept.folded
    assert {kept.doc_uri, folded.doc_uri} == copies
    assert folded.why == evidence_pb2.FOLD_REASON_NEAR_DUPLICATE
    assert copy.document.doc_id in {folded.doc_id, kept.doc_id}
    assert 0 < folded.score <= kept.score
    assert pack.diagnostics.folded == 1
    assert "forum/reset.md" in uris(pack), "thirty seconds is another statement"


async def test_of_a_page_in_two_versions_the_newest_is_shown(desk: KnowledgeDesk) -> None:
    admin, agent = await desk.caller("admin"), await desk.caller("agent")
    page = "# Snapshots\n\nSave a snapshot of the store before an upgrade, and keep it on another machine. {}"
    await admin.write("docs/v3.5/snapshots.md", page.format(""))
    await admin.write("docs/v3.6/snapshots.md", page.format(""))
    await desk.index()
    pack = await agent.search("save a snapshot of the store")
    assert uris(pack)[0] == "docs/v3.6/snapshots.md"
    assert [(each.doc_uri, each.why) for each in pack.evidence[0].folded] == [
        ("docs/v3.5/snapshots.md", evidence_pb2.FOLD_REASON_OTHER_VERSION)
    ]
    assert uris(await agent.search("save a snapshot of the store in v3.5"))[0] == "docs/v3.5/snapshots.md"
    await admin.write("docs/v3.5/snapshots.md", page.format("Never save it while a store is being repaired."))
    await desk.index()
    found = uris(await agent.search("save a snapshot of the store"))
    assert found[:2] == ["docs/v3.6/snapshots.md", "docs/v3.5/snapshots.md"], "what differs is seen, the newest first"


async def test_a_conversation_that_asks_again_is_given_what_was_found(desk: KnowledgeDesk) -> None:
    service = await desk.caller("service")
    asked = {"query": "How do I reset the gateway?", "session_id": str(uuid4()), "groups": ["group:staff"]}
    first = await service.search(**asked)
    again = await service.search(**asked)
    assert (first.diagnostics.cached, again.diagnostics.cached) == (False, True)
    assert again.evidence_pack_id != first.evidence_pack_id
    assert (list(again.evidence), again.retrieved_at) == (list(first.evidence), first.retrieved_at)
    for another in (
        {"session_id": str(uuid4())},
        {"groups": []},
        {"groups": ["group:vip"]},
        {"query": "How do I reset the gateway"},
        {"top_k": 3},
    ):
        assert not (await service.search(**asked | another)).diagnostics.cached, another
    assert not (await (await desk.caller("agent")).search(**asked)).diagnostics.cached, "another principal"
    asked.pop("session_id")
    for _ in range(2):
        assert not (await service.search(**asked)).diagnostics.cached, "outside of a conversation nothing is kept"


async def test_what_changes_in_the_knowledge_is_seen_at_once_in_a_conversation(desk: KnowledgeDesk) -> None:
    admin, service = await desk.caller("admin"), await desk.caller("service")
    asked = {"query": "How do I reset the gateway to factory settings?", "session_id": str(uuid4())}

    async def found() -> evidence_pb2.EvidencePack:
        pack = await service.search(**asked)
        assert not pack.diagnostics.cached
        assert (await service.search(**asked)).diagnostics.cached, "the next one is kept again"
        return pack

    assert "manuals/reset.md" in uris(await found())
    narrowed = "---\nacl: [group:supervisors]\n---\n" + PAGES["manuals/reset.md"]
    page = await admin.write("manuals/reset.md", narrowed)
    assert "manuals/reset.md" not in uris(await found()), "hidden before the new version is indexed"
    await desk.index()
    await admin.write("manuals/reset.md", PAGES["manuals/reset.md"])
    await desk.index()
    assert "manuals/reset.md" in uris(await found())
    await admin.knowledge.DeleteDocument(kb.DeleteDocumentRequest(doc_id=page.document.doc_id))
    assert "manuals/reset.md" not in uris(await found())


async def test_a_record_comes_once_however_it_may_be_asked_for(desk: KnowledgeDesk) -> None:
    record = "---\nkind: approved_record\ntitle: Hours\nquestions:\n{}\n---\nWe are here from nine to five.\n"
    asked = ("When are you open?", "What are your opening hours?", "open today?", "opening times")
    await (await desk.caller("admin")).write("hours.md", record.format("\n".join(f"  - {each}" for each in asked)))
    await desk.index()
    pack = await (await desk.caller("agent")).search("What are your opening hours?")
    (found,) = [each for each in pack.evidence if each.doc_uri == "hours.md"]
    assert found.kind == evidence_pb2.EVIDENCE_KIND_APPROVED_RECORD
    assert found.text == "We are here from nine to five."
    assert signals(found)["cosine"] == pytest.approx(1, abs=0.01)


async def test_a_record_of_many_wordings_leaves_room_for_others(desk: KnowledgeDesk) -> None:
    """All that is read at first are its wordings: then the rest of what was found is read, too."""
    record = "---\nkind: approved_record\ntitle: Hours\nquestions:\n{}\n---\nWe are here from nine to five.\n"
    asked = [f"What are your opening hours on day {number}?" for number in range(enough_for(8, Ranking()) + 6)]
    await (await desk.caller("admin")).write("hours.md", record.format("\n".join(f"  - {each}" for each in asked)))
    await desk.index()
    pack = await (await desk.caller("agent")).search("What are your opening hours on day 3?")
    others = {each.doc_uri for each in pack.evidence[1:]}
    assert pack.evidence[0].doc_uri == "hours.md" and others and "hours.md" not in others


async def test_knowledge_bases_are_apart(desk: KnowledgeDesk) -> None:
    admin, agent = await desk.caller("admin"), await desk.caller("agent")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await agent.search("reset", knowledge_base="other")
    error = from_rpc_error(refused.value)
    assert (refused.value.code(), error.reason) == (grpc.StatusCode.NOT_FOUND, "KNOWLEDGE_BASE_NOT_FOUND")
    await admin.knowledge.CreateKnowledgeBase(kb.CreateKnowledgeBaseRequest(name="other"))
    assert not (await agent.search("reset", knowledge_base="other")).evidence
    await admin.write("reset.md", "# Reset\n\nReset the other thing.", knowledge_base="other")
    await desk.index()
    assert uris(await agent.search("reset", knowledge_base="other")) == ["reset.md"]
    assert "reset.md" not in uris(await agent.search("reset the other thing"))


@pytest.mark.parametrize(
    "fields",
    [
        {"query": ""},
        {"query": "x" * 16385},
        {"query": "a\0b"},
        {"query": "x", "top_k": 51},
        {"query": "x", "top_k": -1},
        {"query": "x", "knowledge_base": "No"},
        {"query": "x", "groups": [""]},
    ],
)
async def test_bad_input_is_refused(desk: KnowledgeDesk, fields: dict[str, Any]) -> None:
    agent = await desk.caller("agent")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await agent.retrieval.SearchEvidence(retrieval_pb2.SearchEvidenceRequest(**fields))
    assert from_rpc_error(refused.value).reason == "INVALID_REQUEST"


async def test_a_long_question_is_answered(desk: KnowledgeDesk) -> None:
    query = "reset the gateway " + " ".join(f"word{number}" for number in range(1500))
    assert (await (await desk.caller("agent")).search(query[:16384])).evidence


async def test_customers_do_not_search_and_nobody_without_a_credential(desk: KnowledgeDesk) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (await desk.caller("adapter")).search("reset")
    assert from_rpc_error(refused.value).reason == "ROLE_NOT_ALLOWED"


def stable(pack: evidence_pb2.EvidencePack) -> evidence_pb2.EvidencePack:
    """Without what differs between any two searches."""
    kept = evidence_pb2.EvidencePack()
    kept.CopyFrom(pack)
    kept.ClearField("evidence_pack_id")
    kept.ClearField("retrieved_at")
    for field in ("embedding_ms", "total_ms"):
        kept.diagnostics.ClearField(field)
    for leg in kept.diagnostics.legs:
        leg.ClearField("duration_ms")
    return kept


async def test_both_legs_have_an_index_that_serves_them(desk: KnowledgeDesk) -> None:
    """Here everything fits a page, so the planner is told that reading tables whole is out of the question."""
    await desk.owner.execute("set enable_seqscan = off")
    vector = "[" + ",".join(["1"] * WordEmbedder.dimension) + "]"
    space = VectorSpace(WordEmbedder.name, WordEmbedder.dimension)
    nearest = space.sql("vector_leg").replace("$1", f"'{vector}'").replace("$2", "'default'")
    for parameter, value in (("$3", "'{public}'"), ("$4", "5"), ("$5", "3"), ("$6", "1")):
        nearest = nearest.replace(parameter, value)
    plan = await explain(desk, nearest)
    assert "Index Scan using doc_embeddings_hnsw_" in plan
    assert "Index Scan using doc_embeddings_audience_idx" in plan or "Scan on doc_embeddings_audience_idx" in plan
    words = "select 1 from knowledge.chunk_terms where cells && (select '{1,2}'::integer[] offset 0)"
    assert "Bitmap Index Scan on chunk_terms_cells_idx" in await explain(desk, words)
    words = "select 1 from knowledge.doc_chunks where tsvector_column @@ (select 'reset | button'::tsquery offset 0)"
    assert "Bitmap Index Scan on doc_chunks_tsvector_idx" in await explain(desk, f"{words} and acl && '{{public}}'")


async def explain(desk: KnowledgeDesk, query: str) -> str:
    return "\n".join(row[0] for row in await desk.owner.fetch(f"explain {query}"))


async def test_a_reranker_orders_and_its_failure_is_said(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    def last_first(request: Request) -> Reply:
        rows = [{"index": at, "relevance_score": at / 10} for at in range(len(request.body["documents"]))]
        return json_reply({"results": rows})

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ScriptedServer())
        server.respond = last_first
        reranker = await open_reranker("ours", endpoint=Endpoint(server.base_url))
        stack.push_async_callback(reranker.close)
        desk = await stack.enter_async_context(open_desk(database_url, keys, tmp_path, Reranking(reranker, 3)))
        admin = await desk.caller("admin")
        for uri, content in PAGES.items():
            await admin.write(uri, content)
        await desk.index()
        service = await desk.caller("service")
        asked = {"query": "How do I reset the gateway to factory settings?", "session_id": str(uuid4())}
        server.rerank.append(error(500))
        without = await service.search(**asked)
        assert without.diagnostics.rerank.outcome == evidence_pb2.RERANK_OUTCOME_UNAVAILABLE
        assert uris(without)[0] == "manuals/reset.md"
        assert "rerank" not in signals(without.evidence[0])
        pack = await service.search(**asked)
        assert not pack.diagnostics.cached, "what lacks the reranker's order is not kept"
        told = pack.diagnostics.rerank
        assert (told.model, told.passages, told.outcome) == ("endpoint:ours", 3, evidence_pb2.RERANK_OUTCOME_OK)
        assert uris(pack)[:3] == uris(without)[2::-1]
        assert [signals(each)["rerank"] for each in pack.evidence[:3]] == [0.2, 0.1, 0]
        assert all(each.score <= signals(each)["fused"] for each in pack.evidence)
        assert pack.diagnostics.config_id == without.diagnostics.config_id
        assert (await service.search(**asked)).diagnostics.cached
