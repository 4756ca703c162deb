import pytest

from flows.config import load_settings
from transforms.errors import ConfigError


def test_file_below_environment_below_flags(tmp_path, monkeypatch):
    file = tmp_path / "reinschrift.toml"
    file.write_text('comments = "drop"\nkeep_versions = 7\nworkers = 3')
    monkeypatch.setenv("REINSCHRIFT_KEEP_VERSIONS", "8")
    monkeypatch.setenv("REINSCHRIFT_WORKERS", "8")
    settings = load_settings(file, workers=9)
    assert (settings.comments, settings.keep_versions, settings.workers) == ("drop", 8, 9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('comments = "burn"', ["reinschrift.toml", "comments", "'burn'", "keep, drop"]),
        ("coments = 1", ["unknown key 'coments'", "did you mean comments"]),
        ('skip = ["rubbish"]', ["skip", "repair, boilerplate, language"]),
        ("workers = 0", ["workers", "greater than or equal to 1"]),
        ("a = ", ["not valid TOML"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path, text, says):
    file = tmp_path / "reinschrift.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_settings(file)
    assert all(part in str(refusal.value) for part in says)


def test_the_environment_is_named_too(monkeypatch):
    monkeypatch.setenv("REINSCHRIFT_COMMENTS", "burn")
    with pytest.raises(ConfigError, match="REINSCHRIFT_COMMENTS"):
        load_settings()


def test_lists_in_the_environment(monkeypatch):
    monkeypatch.setenv("REINSCHRIFT_SKIP", "repeats, privacy")
    assert load_settings().skip == ("repeats", "privacy")
