"""The gate's rules: versioned JSON files, each checked when it is read."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import protovalidate
from google.protobuf import json_format
from google.rpc import code_pb2

from groundline.evaluation.v1 import error_reason_pb2
from groundline.evaluation.v1.evaluation_pb2 import Policy
from meshkit.errors import DomainError, FieldViolation, InvalidRequest
from svc_evaluator.catalogue import CATALOGUE, LATER
from svc_evaluator.confidence import FEATURES

SHIPPED = Path(__file__).parent / "policies"


class PolicyNotFound(DomainError):
    """Metadata: policy_version."""

    code, reason = code_pb2.NOT_FOUND, error_reason_pb2.ERROR_REASON_POLICY_NOT_FOUND
    reasons = error_reason_pb2.ErrorReason
    message = "There is no policy of that version."


class Policies:
    """The policies at hand, and which is in force where.

    In force is, for a knowledge base, the greatest version that is for it; where there is none, `in_force`.
    Raises ValueError if there is none of that version, or it is for one knowledge base only.
    """

    def __init__(self, policies: Iterable[Policy], *, in_force: str) -> None:
        self._by_version: Mapping[str, Policy] = {each.version: each for each in policies}
        default = self._by_version.get(in_force)
        if default is None:
            raise ValueError(f"no policy {in_force!r}; there are: {', '.join(sorted(self._by_version)) or 'none'}")
        if default.knowledge_base:
            raise ValueError(
                f"policy {in_force!r} is for {default.knowledge_base!r} only, and can't be in force for all"
            )
        self._default = default
        self._by_base: Mapping[str, Policy] = {
            each.knowledge_base: each for _, each in sorted(self._by_version.items()) if each.knowledge_base
        }

    @classmethod
    def from_folders(cls, *folders: Path, in_force: str = "") -> "Policies":
        """Reads every `*.json`; a version may be in one file only. Without `in_force`: the greatest that is for all.

        A folder that is not there holds no policies. Raises ValueError naming the file and what is wrong with it.
        """
        found: dict[str, Policy] = {}
        for file in sorted(file for folder in folders for file in folder.glob("*.json")):
            policy = read_policy(file)
            if policy.version in found:
                raise ValueError(f"{file.name}: version {policy.version!r} is in another file, too")
            found[policy.version] = policy
        for_all = [each.version for each in found.values() if not each.knowledge_base]
        return cls(found.values(), in_force=in_force or max(for_all, default=""))

    @property
    def versions(self) -> list[str]:
        """All versions at hand."""
        return sorted(self._by_version)

    def rewritten_since(self, earlier: "Policies") -> list[str]:
        """The versions that say something else now than they did in `earlier`."""
        return [
            each for each in self.versions if earlier._by_version.get(each, self._by_version[each]) != self.get(each)
        ]

    def get(self, version: str = "", *, knowledge_base: str = "") -> Policy:
        """The policy of that version; of "" the one in force for the knowledge base. Raises PolicyNotFound."""
        if not version:
            return self._by_base.get(knowledge_base, self._default)
        policy = self._by_version.get(version)
        if policy is None:
            raise PolicyNotFound(policy_version=version)
        return policy


def read_policy(file: Path) -> Policy:
    """Reads and checks a policy. Raises ValueError naming the file and what is wrong with it."""
    try:
        policy = json_format.Parse(file.read_text(encoding="utf-8"), Policy())
        protovalidate.validate(policy)
    except (json_format.ParseError, protovalidate.ValidationError, UnicodeDecodeError) as exc:
        raise ValueError(f"{file.name} is not a policy: {exc}") from exc
    problems = list(_problems(policy))
    if problems:
        raise ValueError(f"{file.name} is not a policy: {'; '.join(problems)}")
    return policy


def check_policy(policy: Policy) -> Policy:
    """The policy, if the gate can go by it. Raises InvalidRequest naming each thing that is wrong."""
    problems = list(_problems(policy))
    if problems:
        raise InvalidRequest(violations=[FieldViolation("policy.thresholds", each) for each in problems])
    return policy


def _problems(policy: Policy) -> Iterable[str]:
    names = [each.name for each in policy.thresholds]
    yield from (f"no threshold for {name}" for name in CATALOGUE if name not in names and name not in LATER)
    yield from (f"unknown signal {name}" for name in names if name not in CATALOGUE)
    yield from (f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1}))
    yield from (
        f"{each.name} can't bear a weight" for each in policy.thresholds if each.weight and each.name not in FEATURES
    )
    numbers = [policy.intercept, *(number for each in policy.thresholds for number in (each.threshold, each.weight))]
    if not all(math.isfinite(each) for each in numbers):
        yield "a number is not finite"
