import asyncio
from pathlib import Path

import pytest

from meshkit.objects import ObjectExists, ObjectMissing, ObjectStore, ObjectStoreUnusable, open_store


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"file://{tmp_path}/objects")


async def test_what_was_put_is_there_until_it_is_deleted(store: ObjectStore) -> None:
    await store.put("docs/raw/handbook/a-1.md", b"one")
    await store.put("docs/raw/handbook/a-1.md", b"two")
    assert await store.get("docs/raw/handbook/a-1.md") == b"two"
    assert await store.exists("docs/raw/handbook/a-1.md")
    assert not await store.exists("docs/raw/handbook")
    await store.delete("docs/raw/handbook/a-1.md")
    await store.delete("docs/raw/handbook/a-1.md")
    assert not await store.exists("docs/raw/handbook/a-1.md")
    for key in ("docs/raw/handbook/a-1.md", "docs/raw", "docs/raw/handbook/a-1.md/x"):
        with pytest.raises(ObjectMissing):
            await store.get(key)


async def test_of_many_that_put_if_none_match_one_wins(store: ObjectStore) -> None:
    async def put(number: int) -> bool:
        try:
            await store.put("k", str(number).encode(), if_none_match=True)
        except ObjectExists:
            return False
        return True

    won = await asyncio.gather(*map(put, range(8)))
    assert won.count(True) == 1
    assert await store.get("k") == str(won.index(True)).encode()


async def test_no_draft_is_left_behind(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("k", b"1")
    with pytest.raises(ObjectExists):
        await store.put("k", b"2", if_none_match=True)
    assert [path.name for path in (tmp_path / "objects").iterdir()] == ["k"]


@pytest.mark.parametrize(
    "key",
    ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", ".hidden", "a/.b", "a\0b", "a\\b", "a b", "x" * 600],
)
async def test_a_key_that_leads_elsewhere_is_refused(store: ObjectStore, key: str) -> None:
    for attempt in (store.put(key, b""), store.get(key), store.delete(key), store.exists(key)):
        with pytest.raises(ValueError, match="not an object key"):
            await attempt


async def test_a_symbolic_link_does_not_lead_out(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    (tmp_path / "objects" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="not an object key"):
        await store.get("link/file")


@pytest.mark.parametrize("url", ["s3://bucket", "gs://bucket", "azblob://c", "", "objects", "file://host/path"])
def test_a_store_without_a_driver_is_a_clear_error(url: str) -> None:
    with pytest.raises(ObjectStoreUnusable, match="file:"):
        open_store(url)
