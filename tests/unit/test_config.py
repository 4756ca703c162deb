import pytest

from reinschrift.flows.config import load_settings
from reinschrift.flows.stages.fingerprint import settings_version, stage_version
from reinschrift.transforms.errors import ConfigError


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
        ("columns = {text = 3}", ["columns", "text: 3 is no name of a column"]),
        ('columns = {txt = "body"}', ["unknown role 'txt'", "did you mean text"]),
        ('near_units = ["block"]', ["near_units: 'block' is not in repeat_units"]),
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


@pytest.mark.parametrize("given", ["text", "text=", "text=body,url"])
def test_a_column_without_a_name_in_the_environment(monkeypatch, given):
    monkeypatch.setenv("REINSCHRIFT_COLUMNS", given)
    with pytest.raises(ConfigError, match="is no name of a column"):
        load_settings()


def test_nothing_may_be_compared():
    settings = load_settings(repeat_units=())
    assert settings.repeat_units == ()
    assert not settings.judges_near


def test_the_secret_comes_from_the_environment_alone(tmp_path, monkeypatch):
    file = tmp_path / "reinschrift.toml"
    file.write_text('mask = ["email"]\nmask_key = "0123456789abcdef"')
    with pytest.raises(ConfigError, match="REINSCHRIFT_MASK_KEY"):
        load_settings(file)
    file.write_text('mask = ["email"]')
    monkeypatch.setenv("REINSCHRIFT_MASK_KEY", "0123456789abcdef")
    settings = load_settings(file)
    assert settings.options().mask_key == "0123456789abcdef"
    assert "0123456789abcdef" not in f"{settings!r} {settings.options()!r}"


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"redact_ledger": True}, "", "redact_ledger: nothing is masked"),
        ({}, "0123456789abcdef", "MASK_KEY: nothing is masked"),
        ({"mask": ("email",)}, "short", "16 characters"),
    ],
)
def test_settings_that_would_mask_nothing_are_refused(monkeypatch, given, key, says):
    if key:
        monkeypatch.setenv("REINSCHRIFT_MASK_KEY", key)
    with pytest.raises(ConfigError, match=says):
        load_settings(**given)


def test_profiles_stand_in_the_order_of_the_table(monkeypatch):
    monkeypatch.setenv("REINSCHRIFT_QUALITY_PROFILE", "fineweb,gopher")
    assert load_settings().profiles == ("gopher", "fineweb")
    assert load_settings(quality_profile=("all",)).profiles == ("gopher", "c4", "fineweb")


def test_the_key_decides_what_comes_out():
    def version(key):
        settings = load_settings(mask=("email",), mask_key=key)
        return settings_version(settings, settings.options())

    assert version("a" * 16) == version("a" * 16) != version("b" * 16)


def test_what_only_the_judge_asks_reads_nothing_again(tmp_path):
    """The cache of the read stage hangs on what the read stage is asked, and on all of that."""

    def version(**flags):
        settings = load_settings(out=tmp_path, **flags)
        return stage_version(settings, settings.options())

    plain = version()
    for later in ({"repeats_mode": "mark"}, {"part_pages": 7}, {"same_url": False}, {"workers": 1}):
        assert version(**later) == plain, later
    for now in (
        {"profile": "recall"}, {"max_page_bytes": 7}, {"columns": {"text": "inhalt"}}, {"key_bits": 128},
        {"near_threshold": 0.9}, {"quality": "drop"}, {"language_engine": "cld2"}, {"skip": ("repair",)},
        {"threshold": 0.3}, {"builtin_packs": False}, {"min_repeat_chars": 7}, {"mask": ("email",)},
    ):  # fmt: skip
        assert version(**now) != plain, now


def test_the_width_of_a_terminal_is_no_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "reinschrift.toml"
    file.write_text('columns = {text = "inhalt"}')
    assert load_settings(file).columns == (("text", "inhalt"),)


def test_severities_and_thresholds_are_checked(tmp_path, monkeypatch):
    file = tmp_path / "s.toml"
    file.write_text('severity = { "history.*" = "error" }\nthresholds = { "sanity.repeats" = 0.97 }')
    settings = load_settings(file)
    assert dict(settings.severity) == {"history.*": "error"}
    assert dict(settings.thresholds) == {"sanity.repeats": 0.97}
    monkeypatch.setenv("REINSCHRIFT_THRESHOLDS", "sanity.repeats=0.5")
    assert dict(load_settings(file).thresholds) == {"sanity.repeats": 0.5}
    for wrong, says in (
        ('severity = { "history.*" = "fatal" }', "'fatal' is none of error, warn, off"),
        ('thresholds = { "sanity.repeat" = 1 }', "did you mean sanity.repeats"),
    ):
        monkeypatch.delenv("REINSCHRIFT_THRESHOLDS", raising=False)
        file.write_text(wrong)
        with pytest.raises(ConfigError, match=says):
            load_settings(file)


def test_a_pack_that_changes_while_the_program_lives_is_read_again(tmp_path):
    import reinschrift

    line = "Read the next chapter of this story tomorrow evening."
    pack = '[pack]\nname = "a"\nwhy = "t"\n[[rule]]\nid = "b"\nkind = "exact"\npattern = {!r}\nwhy = "t"\nremoves = [{!r}]\nkeeps = ["Other text."]\n'
    file = tmp_path / "a.toml"
    for target, stays in ((line, False), ("Something else entirely.", True)):
        file.write_text(pack.format(target, target).replace("'", '"'))
        page = reinschrift.clean(line, packs=[file], line_model=False)
        assert (line in page.text) == stays


@pytest.mark.parametrize(
    "written",
    ['{"sanity.*" = "warn"}', "sanity.*=warn", {"sanity.*": "warn"}, ' { "sanity.*" = "warn" } '],
)
def test_a_table_in_every_form_it_is_written_in(written):
    assert load_settings(severity=written).severity == (("sanity.*", "warn"),)


def test_a_broken_table_is_a_clear_error():
    with pytest.raises(ConfigError, match="not a table"):
        load_settings(severity='{"sanity.*" = warn}')
