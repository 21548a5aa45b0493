"""Who reads: what of the knowledge a principal may see."""

from dataclasses import dataclass

from groundline.options.v1 import access_pb2
from meshkit.identity import Principal

# They look after all documents, or act for whoever does.
_SEES_EVERYTHING = frozenset({access_pb2.ROLE_ADMIN, access_pb2.ROLE_SERVICE})


@dataclass(frozen=True, slots=True)
class Audience:
    """The groups by which documents are shown, or all of them. Says nothing of searching: that goes by groups alone."""

    groups: tuple[str, ...]
    sees_everything: bool = False

    @classmethod
    def of(cls, principal: Principal) -> "Audience":
        """What `principal` may see."""
        return cls(tuple(sorted(principal.groups)), principal.role in _SEES_EVERYTHING)
