"""Product versions of evidence."""

from collections.abc import Iterable

from groundline.retrieval.v1.evidence_pb2 import Evidence
from meshkit.text import versions
from meshkit.text.versions import Versioned


def version_of(evidence: Evidence) -> str:
    """The product version that the passage is for; "" for all."""
    return versions.version_of(evidence.product_version, evidence.doc_uri)


def versioned(evidence: Iterable[Evidence]) -> list[Versioned]:
    """The passages' versions with their titles and headings."""
    return [(version_of(each), " . ".join((each.title, *each.heading_path))) for each in evidence]


def is_for(evidence: Evidence, named: frozenset[str]) -> bool:
    """Whether the passage is for a version that is named; true where none is named, or it is for all."""
    return versions.is_for(version_of(evidence), named)


def knows(evidence: Evidence, names: frozenset[str], version: str) -> bool:
    """Whether the passage is for the version, or speaks of it (`names` are the words that carry versions)."""
    own = version_of(evidence)
    if own and versions.matches(own, version):
        return True
    return versions.speaks_of(" . ".join((evidence.title, *evidence.heading_path, evidence.text)), names, version)
