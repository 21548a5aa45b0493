import pytest
from pydantic import Field, ValidationError

from meshkit.config import ServiceSettings, read


class Settings(ServiceSettings):
    api_key: str = Field(min_length=20)


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDLINE_API_KEY", "k" * 20)
    monkeypatch.setenv("GROUNDLINE_LISTEN", "[::1]:50051")
    monkeypatch.setenv("GROUNDLINE_DATABASE_URL", "")
    monkeypatch.setenv("GROUNDLINE_UNKNOWN", "left alone")
    settings = read(Settings)
    assert settings.listen == "[::1]:50051"
    assert settings.database_url is None
    with pytest.raises(ValidationError):
        settings.listen = "127.0.0.1:1"


def test_all_problems_are_reported_together_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GROUNDLINE_API_KEY", "secret")
    monkeypatch.setenv("GROUNDLINE_LISTEN", "50051")
    monkeypatch.setenv("GROUNDLINE_DRAIN_TIMEOUT_S", "soon")
    with pytest.raises(SystemExit) as stopped:
        read(Settings)
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Settings: 3 setting(s) can't be used:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {
        "GROUNDLINE_API_KEY",
        "GROUNDLINE_LISTEN",
        "GROUNDLINE_DRAIN_TIMEOUT_S",
    }
    assert "secret" not in "".join(lines)
