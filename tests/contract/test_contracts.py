"""Walks everything that the contracts declare. Each walk counts what it covered: a walk of nothing proves nothing."""

import re
from collections.abc import Collection

from tests.contract.constraints import unbounded
from tools.contract import Contract, Element, Field, Message, Method, Service

HTTP_BODY = "google.api.HttpBody"
GRPC_ONLY_CALLERS = {"ROLE_SERVICE"}
CREATES = ("Create", "Post", "Add", "Upload", "Import")
# Creates whose key is in their own fields, said in their comments.
KEYED_OTHERWISE: frozenset[str] = frozenset()
REASONS = re.compile(r"[Ff]ails with (.*?)(?:\.(?:\s|$)|$)", re.DOTALL)
REASON = re.compile(r"\b([A-Z][A-Z_]{5,})\b(?:\s*\(([A-Z_]+)(?:, ([A-Z_]+))?\))?")
CODES = frozenset(
    {
        "CANCELLED",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)


def streams(method: Method) -> bool:
    return method.proto.server_streaming or method.proto.client_streaming


def callers(method: Method) -> set[str]:
    access = method.access or {}
    return {*access.get("roles", ()), *(["public"] if access.get("public") else [])}


def fields(contract: Contract, message: str) -> dict[str, Field]:
    return {field.name: field for field in contract.messages[message].fields}


def ours(contract: Contract) -> list[Message]:
    return [m for m in contract.messages.values() if contract.own(m) and not m.map_entry]


def every_method(contract: Contract, declared: dict[str, int]) -> list[tuple[Service, Method]]:
    methods = list(contract.methods())
    assert len(methods) == declared["rpc"] > 0
    return methods


def test_every_method_says_who_may_call(contract: Contract, declared: dict[str, int]) -> None:
    nobody = [m.full_name for _, m in every_method(contract, declared) if not callers(m) - {"ROLE_UNSPECIFIED"}]
    assert not nobody, "\n".join(nobody)


def test_a_customer_is_tied_to_a_session(contract: Contract, declared: dict[str, int]) -> None:
    loose, tied = [], 0
    for _, method in every_method(contract, declared):
        if "ROLE_CUSTOMER" in callers(method):
            scope = (method.access or {}).get("scope")
            if scope != "SCOPE_SESSION" or "session_id" not in fields(contract, method.request):
                loose.append(method.full_name)
            tied += 1
    assert not loose, "\n".join(loose)
    assert tied > 0


def test_every_call_ends(contract: Contract, declared: dict[str, int]) -> None:
    endless = []
    for _, method in every_method(contract, declared):
        call = method.call or {}
        bound = "max_stream_s" if method.proto.server_streaming else "deadline_ms"
        if call.get(bound, 0) <= 0:
            endless.append(f"{method.full_name}: {bound}")
    assert not endless, "\n".join(endless)


def test_whoever_is_outside_has_a_rest_call(contract: Contract, declared: dict[str, int]) -> None:
    """A typed stream has none: the stream of events for browsers is its twin."""
    missing, mapped = [], 0
    for _, method in every_method(contract, declared):
        typed_stream = streams(method) and HTTP_BODY not in (method.request, method.response)
        mapped += method.http is not None
        if callers(method) - GRPC_ONLY_CALLERS and not typed_stream and method.http is None:
            missing.append(method.full_name)
    assert not missing, "\n".join(missing)
    assert mapped > 0


def test_no_two_methods_share_a_rest_call(contract: Contract, declared: dict[str, int]) -> None:
    taken: dict[tuple[str, str], str] = {}
    for _, method in every_method(contract, declared):
        for rule in (method.http, *(method.http or {}).get("additional_bindings", ())):
            for verb in {"get", "put", "post", "delete", "patch"} & (rule or {}).keys():
                key = verb, re.sub(r"\{[^}]*\}", "{}", (rule or {})[verb])
                assert key not in taken, f"{method.full_name} and {taken[key]}: {verb.upper()} {key[1]}"
                taken[key] = method.full_name
    assert taken


def test_requests_and_responses_are_of_each_method_alone(contract: Contract, declared: dict[str, int]) -> None:
    """What buf.yaml lets the files with HttpBody off."""
    wrong, used = [], set()
    for _, method in every_method(contract, declared):
        for kind, suffix in ((method.request, "Request"), (method.response, "Response")):
            if kind == HTTP_BODY:
                continue
            if kind.rpartition(".")[2] != f"{method.name}{suffix}" or kind in used:
                wrong.append(f"{method.full_name}: {kind}")
            used.add(kind)
    assert not wrong, "\n".join(wrong)


def test_every_request_field_is_constrained(contract: Contract, declared: dict[str, int]) -> None:
    found: dict[str, str] = {}
    for _, method in every_method(contract, declared):
        for line in unbounded(contract, method.request):
            found.setdefault(line, method.name)
    assert not found, "\n".join(f"{line} (from {method})" for line, method in found.items())


def test_every_list_has_pages(contract: Contract, declared: dict[str, int]) -> None:
    lists = 0
    for _, method in every_method(contract, declared):
        if method.name.startswith("List"):
            asked, answered = fields(contract, method.request), fields(contract, method.response)
            assert {"page_size", "page_token"} <= asked.keys(), method.full_name
            assert "next_page_token" in answered, method.full_name
            assert asked["page_size"].rules["int32"].keys() >= {"gte", "lte"}, method.full_name
            lists += 1
    assert lists > 0


def test_every_create_can_be_repeated(contract: Contract, declared: dict[str, int]) -> None:
    creates = 0
    for _, method in every_method(contract, declared):
        if method.name.startswith(CREATES) and method.name not in KEYED_OTHERWISE:
            assert "request_id" in fields(contract, method.request), method.full_name
            creates += 1
    assert creates > 0


def test_every_update_has_a_mask(contract: Contract, declared: dict[str, int]) -> None:
    updates = 0
    for _, method in every_method(contract, declared):
        if method.name.startswith("Update"):
            asked = fields(contract, method.request)
            assert asked["update_mask"].type_name == "google.protobuf.FieldMask", method.full_name
            resource = next(f for f in asked.values() if f.type_name.startswith("groundline."))
            assert "etag" in fields(contract, resource.type_name), method.full_name
            updates += 1
    assert updates > 0


def test_every_enum_begins_with_nothing_said(contract: Contract, declared: dict[str, int]) -> None:
    enums = [e for e in contract.enums.values() if contract.own(e)]
    assert len(enums) == declared["enum"] > 0
    for enum in enums:
        assert enum.values[0].number == 0, enum.full_name
        assert enum.values[0].name.endswith("_UNSPECIFIED"), enum.full_name


def test_everything_has_a_comment(contract: Contract, declared: dict[str, int]) -> None:
    messages, enums = ours(contract), [e for e in contract.enums.values() if contract.own(e)]
    services = [s for s in contract.services.values() if contract.own(s)]
    assert len(messages) == declared["message"] > 0
    assert len(services) == declared["service"] > 0
    elements: list[Element] = [*messages, *enums, *services]
    elements += [field for message in messages for field in message.fields]
    elements += [value for enum in enums for value in enum.values]
    elements += [method for _, method in every_method(contract, declared)]
    assert [element.full_name for element in elements if len(element.comment) < 2] == []


def error_reasons(contract: Contract) -> dict[str, dict[str, str]]:
    """The code that each reason's comment begins with, by package and reason."""
    found: dict[str, dict[str, str]] = {}
    for enum in contract.enums.values():
        if contract.own(enum) and enum.name == "ErrorReason":
            package = enum.full_name.rpartition(".")[0]
            for value in enum.values[1:]:
                code = re.match(r"[A-Z_]+", value.comment)
                found.setdefault(package, {})[value.name.removeprefix("ERROR_REASON_")] = code.group() if code else ""
    return found


def reason_domains(contract: Contract, service: Service, with_reasons: Collection[str]) -> set[str]:
    """The packages whose reasons a service answers with: its own or, where that has none, those of what it imports."""
    packages = {file.name: file.package for file in contract.files}
    own = packages[service.file]
    if own in with_reasons:
        return {own}
    imported = next(file.dependency for file in contract.files if file.name == service.file)
    return {packages[name] for name in imported} & set(with_reasons)


def test_every_error_reason_names_its_code(contract: Contract) -> None:
    reasons = error_reasons(contract)
    assert len(reasons) > 1
    wrong = [f"{package}: {reason}" for package, of in reasons.items() for reason in of if of[reason] not in CODES]
    assert not wrong, "\n".join(wrong)


def test_what_methods_say_they_fail_with_exists(contract: Contract, declared: dict[str, int]) -> None:
    reasons = error_reasons(contract)
    wrong, said = [], 0
    for service, method in every_method(contract, declared):
        known = dict(reasons["groundline.options.v1"])
        for package in reason_domains(contract, service, reasons.keys()):
            known.update(reasons[package])
        for clause in REASONS.findall(method.comment):
            for reason, *codes in REASON.findall(clause):
                if reason in CODES:
                    continue
                said += 1
                code = next((c for c in codes if c in CODES), None)
                if reason not in known:
                    wrong.append(f"{method.full_name}: {reason} is no reason of its domain")
                elif code is not None and code != known[reason]:
                    wrong.append(f"{method.full_name}: {reason} is {known[reason]}, not {code}")
    assert not wrong, "\n".join(wrong)
    assert said > 0


def test_tokens_and_words_of_people_are_redacted(contract: Contract) -> None:
    """Logs obey `debug_redact`; here are the names under which such things travel."""
    sensitive = {"session_token", "content", "body", "comment", "question", "resolution", "summary", "query", "text"}
    checked, bare = 0, []
    for message in ours(contract):
        for field in message.fields:
            if field.name in sensitive and not field.type_name:
                checked += 1
                if not field.options.get("debug_redact"):
                    bare.append(field.full_name)
    assert not bare, "\n".join(bare)
    assert checked > 0
