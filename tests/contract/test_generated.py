"""What is committed below gen/ and third_party/ is what the contracts and the locked wheels give today."""

from pathlib import Path

from google.protobuf import descriptor_pb2

from tools.generate import DESCRIPTOR_SET, contents, generate
from tools.vendor import vendored

ROOT = Path(__file__).resolve().parents[2]


def test_gen_is_current(tmp_path: Path) -> None:
    fresh = tmp_path / "gen"
    generate(fresh)
    expected, committed = contents(fresh), contents(ROOT / "gen")
    assert expected.keys() == committed.keys(), "run `make gen`"
    assert [name for name in expected if expected[name] != committed[name]] == [], "run `make gen`"
    assert len(expected) > 20


def test_generation_removes_stale_files_and_keeps_the_times_of_unchanged_ones(tmp_path: Path) -> None:
    out = tmp_path / "gen"
    generate(out)
    stale = out / "groundline/retired/v1/retired_pb2.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    kept = out / "openapi.yaml"
    before = kept.stat().st_mtime_ns
    generate(out)
    assert not (out / "groundline/retired").exists()
    assert kept.stat().st_mtime_ns == before


def test_no_module_of_googles_is_generated() -> None:
    assert not (ROOT / "gen/google").exists()


def test_every_contract_has_its_module() -> None:
    contracts = sorted((ROOT / "proto").rglob("*.proto"))
    assert contracts
    for contract in contracts:
        stem = contract.relative_to(ROOT / "proto").with_suffix("").as_posix()
        assert (ROOT / f"gen/{stem}_pb2.py").exists(), stem
        assert (ROOT / f"gen/{stem}_pb2.pyi").exists(), stem


def test_descriptor_set_is_complete() -> None:
    """The edge loads it alone: every import is inside, before its importer, and error details are there."""
    seen: set[str] = set()
    for file in descriptor_pb2.FileDescriptorSet.FromString((ROOT / "gen" / DESCRIPTOR_SET).read_bytes()).file:
        assert seen.issuperset(file.dependency), file.name
        seen.add(file.name)
    assert {"google/rpc/error_details.proto", "google/rpc/status.proto", "google/api/httpbody.proto"} <= seen
    assert {path.relative_to(ROOT / "proto").as_posix() for path in (ROOT / "proto").rglob("*.proto")} <= seen


def test_vendored_contracts_are_those_of_the_locked_wheels() -> None:
    folder = ROOT / "third_party"
    expected = vendored()
    committed = {path.relative_to(folder).as_posix() for path in folder.rglob("*.proto")}
    assert committed == expected.keys(), "run `make vendor`"
    for name, text in expected.items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run `make vendor`"
