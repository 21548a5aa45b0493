"""Each house rule catches what it is for, and leaves its neighbour alone."""

import pytest

from tools import house_rules
from tools.house_rules import Rule, Source

SELECT = 'QUERY = """\n  SELECT 1 FROM t\n"""\n'


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (house_rules.named_for_what_it_holds, "svc_x/utils.py", ""),
        (house_rules.named_for_what_it_holds, "meshkit/helpers/ids.py", ""),
        (house_rules.small_enough, "svc_x/turn.py", "x\n" * 401),
        (house_rules.finished, "svc_x/turn.py", "# TO" + "DO later\n"),
        (house_rules.sql_in_its_place, "svc_x/turn.py", SELECT),
        (house_rules.sql_in_its_place, "svc_x/turn.py", 'x = f"UPDATE a.b SET c = {d}"\n'),
        (house_rules.domain_without_grpc, "svc_x/turn.py", "import grpc\n"),
        (house_rules.domain_without_grpc, "svc_x/turn.py", "def f():\n    from grpc.aio import Channel\n"),
        (house_rules.one_direction, "svc_x/turn.py", "from svc_x.servicer import A\n"),
        (house_rules.one_direction, "svc_x/turn.py", "from . import wiring\n"),
        (house_rules.one_direction, "svc_x/servicer.py", "from svc_x import wiring\n"),
        (house_rules.one_direction, "svc_x/wiring.py", "import svc_x.__main__\n"),
        (
            house_rules.no_business_in_meshkit,
            "meshkit/outbox.py",
            "from groundline.ticketing.v1 import ticketing_pb2\n",
        ),
    ],
)
def test_caught(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(Source(path, text)))) >= 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (house_rules.named_for_what_it_holds, "svc_x/knowledge_base.py", ""),
        (house_rules.small_enough, "svc_x/turn.py", "x\n" * 400),
        (house_rules.finished, "svc_x/turn.py", "# Mastodon\n"),
        (house_rules.sql_in_its_place, "svc_x/store.py", SELECT),
        (house_rules.sql_in_its_place, "svc_x/turn.py", '"""\nSELECT is said here in prose.\n"""\n'),
        (house_rules.sql_in_its_place, "svc_x/turn.py", 'x = "select a colour"\n'),
        (house_rules.domain_without_grpc, "svc_x/servicer.py", "import grpc\n"),
        (house_rules.domain_without_grpc, "svc_x/retrieval_client.py", "import grpc\n"),
        (house_rules.domain_without_grpc, "meshkit/server.py", "import grpc\n"),
        (house_rules.one_direction, "svc_x/servicer.py", "from svc_x import store, turn\n"),
        (house_rules.one_direction, "svc_x/__main__.py", "from svc_x.wiring import run\n"),
        (house_rules.one_direction, "svc_x/turn.py", "from svc_y_wiring import z\n"),
        (house_rules.no_business_in_meshkit, "meshkit/access.py", "from groundline.options.v1 import access_pb2\n"),
    ],
)
def test_left_alone(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def test_the_house_is_looked_at() -> None:
    seen = {source.path for source in house_rules.sources()}
    assert "tools/house_rules.py" in seen
    assert any(path.startswith("proto/") for path in seen)
    assert not any(path.startswith(("gen/", "third_party/", ".venv/")) for path in seen)
