from groundline.commands.v1 import commands_pb2
from svc_workers.roads import FAMILIES
from svc_workers.settings import WorkerSettings


def test_every_command_has_a_family() -> None:
    commands = {field.name for field in commands_pb2.Command.DESCRIPTOR.oneofs_by_name["command"].fields}
    assert commands
    assert set(FAMILIES) == commands


def test_the_brokers_url_is_a_secret() -> None:
    settings = WorkerSettings(amqp_url="amqp://groundline:opensesame@127.0.0.1/")
    assert "opensesame" not in repr(settings) + str(settings) + settings.model_dump_json()
