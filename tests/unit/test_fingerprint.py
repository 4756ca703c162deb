"""What a cached result depends on: the settings that matter, and the code that makes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reinschrift.flows.config import Settings, affecting, load_settings
from reinschrift.flows.stages.fingerprint import (
    CORPUS_MODULES,
    import_closure,
    settings_version,
    stage_version,
)

REPOSITORY = Path(__file__).parents[2]
OTHER = {
    "skip": ("privacy",), "comments": "drop", "builtin_packs": False, "line_model": False,
    "profile": "recall", "threshold": 0.3, "extractor": "none", "min_repeat_chars": 30,
    "repeats_mode": "mark", "repeat_units": ("page",), "near_units": (), "near_threshold": 0.9,
    "near_min_words": 30, "same_url": False, "key_bits": 128, "template_min_pages": 9, "quality": "off",
    "language_engine": "cld2", "quality_profile": ("c4",), "mask": ("email",), "max_page_bytes": 9,
    "max_line_chars": 9, "max_decompress_ratio": 9.0, "columns": {"text": "x"}, "max_page_cpu_seconds": 9.0,
    "part_pages": 9, "part_chars": 9, "out": "x", "workers": 3, "keep_versions": 9, "publish": "s3://b",
    "shard_bytes": 9, "replay_pages": 9, "history_versions": 9, "expectations": ("x.toml",),
    "severity": {"sanity.*": "warn"}, "thresholds": {"sanity.repeats": 0.5}, "strict": True,
    "verify": True, "cluster": "tcp://127.0.0.1:9", "notify": "json://127.0.0.1:9",
}  # fmt: skip
NEEDS = {"redact_ledger": {"mask": ("email",)}, "mask_key": {"mask": ("email",)}}


def versions(**changed):
    settings = load_settings(**changed)
    options = settings.options()
    return stage_version(settings, options), settings_version(settings, options)


@pytest.mark.parametrize("name", sorted(Settings.model_fields.keys() - {"packs", "against", *NEEDS}))
def test_a_setting_changes_what_it_affects_and_nothing_else(name):
    """A setting that is not in OTHER fails here: say what it affects, and give another value."""
    before, after = versions(), versions(**{name: OTHER[name]})
    reads, resolves = name in affecting("read"), name in affecting("read", "resolve")
    derived = name in ("near_threshold", "near_units")  # the read stage makes the keys
    assert (before[0] != after[0]) == (reads or derived)
    assert (before[1] != after[1]) == resolves


def test_settings_that_need_another(monkeypatch):
    masked = versions(mask=("email",))
    redacted = versions(mask=("email",), redact_ledger=True)
    monkeypatch.setenv("REINSCHRIFT_MASK_KEY", "x" * 16)
    keyed = versions(mask=("email",))
    assert len({masked[0], redacted[0], keyed[0]}) == 3
    assert len({masked[1], redacted[1], keyed[1]}) == 3


def test_a_changed_pack_reads_again(tmp_path):
    pack = tmp_path / "mine.toml"
    text = (
        '[pack]\nname = "mine"\nwhy = "a test"\n[[rule]]\nid = "a"\nkind = "exact"\npattern = "Weg"\n'
        'why = "a test"\nremoves = ["Weg"]\nkeeps = ["Der Weg"]\n'
    )
    pack.write_text(text)
    before = versions(packs=(pack,))
    other = tmp_path / "other.toml"
    other.write_text(text.replace('"Weg"', '"Fort"'))
    after = versions(packs=(other,))
    assert before[0] != after[0]


def test_the_order_of_names_does_not_matter():
    assert versions(skip="privacy,language") == versions(skip="language,privacy")


def test_what_is_shown_is_no_part_of_what_is_read():
    closure = import_closure(*CORPUS_MODULES)
    assert not {name for name in closure if name.startswith(("flows.face", "flows.cli", "expectations"))}
    assert not {"flows.run", "flows.serving", "flows.orchestrate"} & closure


def test_all_code_that_runs_is_in_the_closure(tmp_path):
    """The modules that a run imports, but for those around the stages."""
    code = (
        "import sys; from tests.conftest import clean; "
        f"clean(['seeds'], {str(tmp_path / 'out')!r}, mask=('email', 'phone', 'iban', 'ip'), "
        "extractor='trafilatura', quality='drop', near_units=('page', 'block', 'sentence'), "
        "repeat_units=('page', 'block', 'sentence')); "
        "print(*(n for n in sys.modules if n.startswith('reinschrift.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ran = {name.removeprefix("reinschrift.") for name in done.stdout.split()}
    around = (
        "flows.run", "flows.ports", "flows.workers.gate", "expectations", "flows.store.bucket",
        "flows.stages.replay", "flows.store.history", "flows.unchanged",
    )  # fmt: skip
    missing = {name for name in ran - import_closure(*CORPUS_MODULES) if not name.startswith(around)}
    assert not missing
