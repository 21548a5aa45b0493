"""One knowledge base in several languages: each page is found by the forms of its own language's words."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from evals.__main__ import REPOSITORY
from evals.conversations import read_knowledge
from groundline.knowledge.v1 import knowledge_pb2
from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from groundline.retrieval.v1 import evidence_pb2
from meshkit import testing
from meshkit.text.languages import CONFIGURATIONS
from meshkit.text.lexemes import accented_text
from meshkit.text.words import words
from svc_workers.extraction.media import decode
from svc_workers.languages import configuration_for

from .knowledge_desk import Caller, KnowledgeDesk, open_desk
from .test_retrieval import PAGES, signals, stable

GERMAN = """Ein Vertrag endet zum Monatsende. Die Kündigung schickt der Kunde vier Wochen vorher, bei E-7001 erneut.
Das gilt auch für alle, die mit einer Karte bezahlt haben, und wenn es eine andere Regel gibt, dann steht sie dort."""
FRENCH = """Les abonnements sont résiliés à la fin du mois; les factures payées ne sont pas remboursées au client.
Si vous avez une question sur votre compte, nous sommes là pour vous avec une réponse, et vous ne devez pas appeler."""
SPANISH = """Las devoluciones se aceptan durante treinta días; el comprador paga los gastos del envío.
Si usted no está en casa, el paquete se queda en la tienda y lo puede recoger, pero no más tarde que la fecha fijada."""
RUSSIAN = """Заказанный товар доставляется курьером в течение трёх рабочих дней после оплаты.
Если вас не было дома, он оставит его в магазине, и вы можете забрать его, когда вам будет удобно, но не позже."""
FOREIGN = {"de/vertrag.md": ("de", GERMAN), "fr/abonnement.md": ("fr-CA", FRENCH), "es/envios.md": ("es", SPANISH)}
FOREIGN["ru/dostavka.md"] = ("ru", RUSSIAN)
# None of their words stands in its page in the form that is asked for.
INFLECTED = {
    "de/vertrag.md": "Kündigungen von Kunden",
    "fr/abonnement.md": "résiliera rembourser",
    "es/envios.md": "aceptar pagar",
    "ru/dostavka.md": "курьеры доставляют заказанные товары",
}


@pytest.fixture
async def desk(database_url: str, keys: testing.Keys, tmp_path: Path) -> AsyncIterator[KnowledgeDesk]:
    async with open_desk(database_url, keys, tmp_path) as desk:
        await _write(await desk.caller("admin"), {uri: ("", text) for uri, text in PAGES.items()})
        await desk.index()
        yield desk


async def _write(admin: Caller, pages: Mapping[str, tuple[str, str]], **properties: str) -> None:
    for uri, (language, text) in pages.items():
        own = properties | ({"language": language} if language else {})
        front = "".join(f"{name}: {value}\n" for name, value in own.items())
        await admin.write(uri, f"---\n{front}---\n{text}" if own else text)


def by_words(pack: evidence_pb2.EvidencePack) -> dict[str, float]:
    """What the words brought: pages with their BM25."""
    found = {each.doc_uri: signals(each)["bm25"] for each in pack.evidence}
    return {uri: score for uri, score in found.items() if score > 0}


async def _language(desk: KnowledgeDesk, uri: str) -> str:
    admin = await desk.caller("admin")
    listed: kb.ListDocumentsResponse = await admin.knowledge.ListDocuments(kb.ListDocumentsRequest(uri=uri))
    (document,) = listed.documents
    assert document.state == knowledge_pb2.DOCUMENT_STATE_INDEXED
    return document.language


async def test_each_page_is_found_by_other_forms_of_its_words(desk: KnowledgeDesk) -> None:
    await _write(await desk.caller("admin"), FOREIGN)
    await desk.index()
    agent = await desk.caller("agent")
    for uri, question in INFLECTED.items():
        pack = await agent.search(question, top_k=20)
        # By meaning there is nothing to be seen here: the test's embedder knows words as they are written.
        assert list(by_words(pack)) == [uri], question
        assert (
            pack.diagnostics.text_configuration
            == {"d": "german", "f": "french", "e": "spanish", "r": "russian"}[uri[0]]
        )
        found = {each.lexeme for each in pack.diagnostics.terms if each.document_frequency}
        assert len(found) >= 2 and not any(":" in each for each in found)


async def test_the_control_stemmed_as_english_none_of_them_is_found(desk: KnowledgeDesk) -> None:
    await _write(await desk.caller("admin"), {uri: ("en", text) for uri, (_, text) in FOREIGN.items()})
    await desk.index()
    agent = await desk.caller("agent")
    for uri, question in INFLECTED.items():
        assert uri not in by_words(await agent.search(question, top_k=20)), question


async def test_pages_of_other_languages_weigh_on_english_ones_as_any_pages_would(desk: KnowledgeDesk) -> None:
    agent, admin = await desk.caller("agent"), await desk.caller("admin")
    questions = ("How do I reset the gateway to factory settings?", "guest network password", "zeta")
    found = []
    for language in ("", "de"):
        # Words of no language, as many in each.
        text = "zeta " * 20
        await _write(admin, {f"other/{number}.md": (language, text) for number in range(4)})
        await desk.index()
        packs = [await agent.search(each, top_k=20) for each in questions]
        found.append([{each.doc_uri: signals(each)["bm25"] for each in pack.evidence} for pack in packs])
    assert found[0] == found[1]
    assert found[0][2]["other/0.md"] > 0


async def test_a_page_that_states_no_language_is_recognised(desk: KnowledgeDesk) -> None:
    await _write(await desk.caller("admin"), {uri: ("", text) for uri, (_, text) in FOREIGN.items()})
    await desk.index()
    for uri, (language, _) in FOREIGN.items():
        assert await _language(desk, uri) == language[:2]
    assert {await _language(desk, uri) for uri in PAGES} == {"en"}
    agent = await desk.caller("agent")
    for uri, question in INFLECTED.items():
        assert uri in by_words(await agent.search(question, top_k=20))


async def test_what_a_page_states_goes_before_what_it_looks_like(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    await _write(admin, {"de/vertrag.md": ("en", GERMAN)})
    html = f'<html lang="de-AT"><title>Vertrag</title><body><p>{GERMAN}</p></body></html>'
    await admin.write("de/vertrag.html", html, media_type="text/html")
    await desk.index()
    assert [await _language(desk, f"de/vertrag.{each}") for each in ("md", "html")] == ["en", "de-AT"]
    found = by_words(await (await desk.caller("agent")).search(INFLECTED["de/vertrag.md"], top_k=20))
    assert list(found) == ["de/vertrag.html"]


async def test_a_language_without_a_stemmer_is_matched_as_written(desk: KnowledgeDesk) -> None:
    await _write(await desk.caller("admin"), {"pl/umowa.md": ("pl", "Umowę można wypowiedzieć na koniec miesiąca.")})
    await desk.index()
    assert await _language(desk, "pl/umowa.md") == "pl"
    agent = await desk.caller("agent")
    assert "pl/umowa.md" in by_words(await agent.search("koniec miesiaca", top_k=20)), "without its accent, too"
    assert "pl/umowa.md" not in by_words(await agent.search("końca", top_k=20))


async def test_an_identifier_is_the_same_in_all_languages(desk: KnowledgeDesk) -> None:
    await _write(await desk.caller("admin"), FOREIGN)
    await desk.index()
    agent = await desk.caller("agent")
    found = by_words(await agent.search("E-7001", top_k=20))
    assert max(found, key=lambda each: found[each]) == "de/vertrag.md"
    for question in ("what does error e7001 mean", "Was bedeutet Fehler E-7001?"):
        pack = await agent.search(question, top_k=20)
        assert {each.lexeme: each.document_frequency for each in pack.diagnostics.terms}["id:e7001"] == 1
        assert "de/vertrag.md" in by_words(pack)


async def test_a_hidden_page_of_a_language_of_its_own_changes_nothing_for_its_outsider(desk: KnowledgeDesk) -> None:
    agent = await desk.caller("agent")
    questions = (*INFLECTED.values(), "How do I reset the gateway?")
    before = [await agent.search(each) for each in questions]
    await _write(await desk.caller("admin"), FOREIGN, acl="[group:supervisors]")
    await desk.index()
    assert [stable(await agent.search(each)) for each in questions] == [stable(each) for each in before]
    supervisor = await desk.caller("supervisor")
    for uri, question in INFLECTED.items():
        assert list(by_words(await supervisor.search(question, top_k=20))) == [uri]


async def test_counts_of_a_language_go_with_its_last_page(desk: KnowledgeDesk) -> None:
    counts = "select configuration, chunk_count from knowledge.configuration_stats order by 1"
    recount = "select configuration, count(*) from knowledge.doc_chunks where configuration <> '' group by 1 order by 1"
    assert not await desk.owner.fetch(counts)
    admin = await desk.caller("admin")
    await _write(admin, FOREIGN)
    await desk.index()
    assert [tuple(each) for each in await desk.owner.fetch(counts)] == [
        tuple(each) for each in await desk.owner.fetch(recount)
    ]
    assert len(await desk.owner.fetch(counts)) == len(FOREIGN)
    await _write(admin, {uri: ("en", text) for uri, (_, text) in FOREIGN.items()})
    await desk.index()
    assert not await desk.owner.fetch(counts)
    assert not await desk.owner.fetch(
        "select 1 from knowledge.term_stats where lexeme like '%:%' and lexeme not like 'id:%'"
    )


async def test_sent_again_a_page_that_was_indexed_before_languages_counted_is_indexed_anew(desk: KnowledgeDesk) -> None:
    admin = await desk.caller("admin")
    await _write(admin, FOREIGN)
    await desk.index()
    await desk.owner.execute("update knowledge.documents set configuration = null")
    await _write(admin, FOREIGN)
    await _write(admin, {uri: ("", text) for uri, text in PAGES.items()})
    assert await desk.index() == len(FOREIGN)
    await _write(admin, FOREIGN)
    assert await desk.index() == 0


async def test_stems_are_what_the_database_makes_of_the_words(owner: asyncpg.Connection) -> None:
    """The gate compares stems of its own with the index's words. (Snowball's rules are a little newer here.)"""
    texts = {"german": GERMAN, "french": FRENCH, "spanish": SPANISH, "russian": RUSSIAN}
    for configuration, text in texts.items():
        plain = text.replace("E-7001", "")
        sql = "select array_agg(lexeme) from unnest(knowledge.tagged(to_tsvector($1::text::regconfig, $2), $1)) as w"
        stored = await owner.fetchval(sql, configuration, accented_text(plain))
        stems = {f"{configuration}:{each.stem}" for each in words(plain, configuration)}
        assert len(stored) > 10 and len(set(stored) - stems) <= 1
        assert len(set(stored) - {f"{configuration}:{each.stem}" for each in words(plain)}) > 3, "the control"


async def test_no_english_page_is_taken_for_another(owner: asyncpg.Connection) -> None:
    pages = [decode(each.content) for each in read_knowledge(REPOSITORY / "samples" / "knowledge")]
    assert len(pages) > 50
    for text in pages:
        assert await configuration_for(owner, "", text, own="english") == "", text[:200]
    assert await configuration_for(owner, "", GERMAN, own="english") == "german", "the control"


async def test_every_configuration_that_a_language_is_given_is_there(owner: asyncpg.Connection) -> None:
    there = await owner.fetchval("select array_agg(cfgname::text) from pg_ts_config")
    assert set(CONFIGURATIONS) == set(there)
    assert len(CONFIGURATIONS) == 30


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
