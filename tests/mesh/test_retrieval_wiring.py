"""Retrieval with its production wiring: its own role, pool settings and the model that ships."""

from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

from groundline.knowledge.v1 import knowledge_service_pb2 as kb
from meshkit import testing
from svc_retrieval.settings import RetrievalSettings
from svc_retrieval.wiring import wire

from .knowledge_desk import KnowledgeDesk


async def test_it_stands_with_what_ships(database_url: str, keys: testing.Keys, tmp_path: Path) -> None:
    url = testing.database_url(database_url, urlsplit(database_url).path.lstrip("/"), user="groundline_retrieval")
    settings = RetrievalSettings(database_url=url, object_store_url=f"file://{tmp_path}/objects", home=tmp_path)
    async with AsyncExitStack() as stack:
        registrations = await wire(stack, settings)
        served = await stack.enter_async_context(testing.serve(*registrations, keys=keys))
        desk = KnowledgeDesk(served, None, {})
        stack.push_async_callback(desk.close)
        admin = await desk.caller("admin")
        pack = await admin.search("How do I reset my router?")
        assert not pack.evidence, "an empty pack is an answer"
        assert pack.diagnostics.embedding_model.startswith("all-minilm")
        document = (await admin.write("a.md", "# A")).document
        read = await admin.knowledge.GetDocument(kb.GetDocumentRequest(doc_id=document.doc_id))
        assert read.document == document
        stored = list((tmp_path / "objects" / "docs" / "raw").glob(f"unsorted/{document.doc_id}/*"))
        assert [each.read_bytes() for each in stored] == [b"# A"]
