"""What a person answered: kept for good at once, and made into rule packs that the next run uses.

OUT/review/answers.jsonl has a line an answer; the later of two counts. OUT/review/*.toml are written
from it: `keep.toml` with a keep-list, and a pack a site with the lines it drops.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from reinschrift.flows.review.questions import SAMPLE
from reinschrift.flows.store.local import Corpus, explain_os_error
from reinschrift.transforms.boilerplate.packs import parse_pack
from reinschrift.transforms.boilerplate.rules import check_examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reinschrift.flows.review.questions import Question

KEEP, DROP, RULE_IS_WRONG, SKIP = "keep", "drop", "rule-is-wrong", "skip"
CHOICES = (KEEP, DROP, RULE_IS_WRONG, SKIP)
UNDONE = "undone"  # takes the answer before it back
EVERY_SITE = "every-site"
Z = 1.96  # of a 95 % interval
KEPT_EXAMPLE = "A line that is none of those above stays as it is."


@dataclass(frozen=True)
class Answer:
    """What a person said of a block, with what is needed to make a rule of it.

    `kept_near` is a kept line of the same page, what the rule must keep.
    """

    id: str
    choice: str
    why: str
    was_kept: bool
    text: str
    rule: str | None
    site: str | None
    language: str
    kept_near: str | None


@dataclass(frozen=True)
class Precision:
    """How often the cleaner was right in the sample: a share, and half of its 95 % interval."""

    name: str
    share: float
    margin: float
    answers: int


def answer(question: Question, choice: str) -> Answer:
    """An answer to a question."""
    near = next(iter([*question.above[::-1], *question.below]), None)
    return Answer(
        question.id, choice, question.why, question.is_kept, question.text, question.rule,
        question.site, question.language, near,
    )  # fmt: skip


class Answers:
    """The answers of one output folder."""

    def __init__(self, corpus: Corpus) -> None:
        self.folder = corpus.review
        self.path = self.folder / "answers.jsonl"
        self.by_id: dict[str, Answer] = {}
        for one in self._read():
            self._note(one)

    def _read(self) -> Iterator[Answer]:
        """Answers in order; a line that was cut by a crash is no answer."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield Answer(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def add(self, given: Answer) -> None:
        """Keep an answer, on the disk before this returns, and write the packs anew.

        Raises OutputError where the folder can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                if self.path.stat().st_size and not self._ends_in_a_line():
                    file.write("\n")
                file.write(json.dumps(asdict(given), ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise explain_os_error(error, self.path) from error
        self._note(given)
        self.write_packs()

    def _note(self, given: Answer) -> None:
        if given.choice == UNDONE:
            self.by_id.pop(given.id, None)
        else:
            self.by_id[given.id] = given

    def _ends_in_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def write_packs(self) -> None:
        """Rule packs of all answers; each is tried by its examples before it takes its place."""
        packs = make_packs(self.by_id.values())
        for old in self.folder.glob("*.toml"):
            if old.stem not in packs:
                old.unlink()
        for name, text in packs.items():
            path = self.folder / f"{name}.toml"
            parse_pack(text, str(path))
            aside = path.with_suffix(".part")
            aside.write_text(text, encoding="utf-8")
            aside.rename(path)


def make_packs(answers: Iterable[Answer]) -> dict[str, str]:
    """Rule packs (TOML) by name. A line that is dropped and kept on one site is kept.

    A line that no rule could say apart, such as a bullet alone, is dropped by none.
    """
    keeps: list[dict[str, str]] = []
    drops: dict[str, dict[str, Answer]] = defaultdict(dict)
    for one in answers:
        site = {"site": one.site} if one.site else {}
        if one.choice == KEEP and not one.was_kept:
            keeps.append({**site, "line": one.text})
        elif one.choice == RULE_IS_WRONG and one.rule and "/" in one.rule:
            keeps.append({**site, "rule": one.rule})
        elif one.choice == RULE_IS_WRONG:
            keeps.append({**site, "line": one.text})
        elif one.choice == DROP and one.was_kept and makes_rule(one.text):
            drops[one.site or EVERY_SITE].setdefault(one.text, one)
    packs = {}
    if keeps:
        entries = ",\n".join(f"  {_inline(entry)}" for entry in _unique(keeps))
        packs["keep"] = (
            f'[pack]\nname = "review-keep"\nwhy = "kept in review"\nkeep = [\n{entries},\n]\n'
        )
    for host, lines in sorted(drops.items()):
        name = re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-") or "site"
        packs[f"drop-{name}"] = _drop_pack(host, name, list(lines.values()))
    return packs


@cache
def makes_rule(text: str) -> bool:
    """Whether a rule with the line as its pattern removes just that."""
    pack = parse_pack(_rule_text("", [text], [KEPT_EXAMPLE]), "review")
    return not check_examples(pack)


def _unique(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(facts) for facts in dict.fromkeys(tuple(entry.items()) for entry in entries)]


def _inline(entry: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {_quoted(value)}" for name, value in entry.items()) + " }"


def _drop_pack(site: str, name: str, answers: list[Answer]) -> str:
    """A pack of one rule: the lines of a site that a person dropped, and lines near them that stay."""
    texts = [one.text for one in answers]
    keeps = [one.kept_near for one in answers if one.kept_near and one.kept_near not in texts]
    hosts = "" if site == EVERY_SITE else f"hosts = [{_quoted(site)}]\n"
    real = _rule_text(hosts, texts, list(dict.fromkeys(keeps))[:5], name)
    if keeps and not check_examples(parse_pack(real, site)):
        return real
    return _rule_text(hosts, texts, [KEPT_EXAMPLE], name)


def _rule_text(hosts: str, texts: list[str], keeps: list[str], name: str = "line") -> str:
    return (
        f'[pack]\nname = "review-{name}"\nwhy = "dropped in review"\n{hosts}\n'
        f'[[rule]]\nid = "lines"\nkind = "exact"\npatterns = {_list(texts)}\n'
        f'why = "a person said so"\nremoves = {_list(texts)}\nkeeps = {_list(keeps)}\n'
    )


def _list(texts: list[str]) -> str:
    return "[" + ", ".join(map(_quoted, texts)) + "]"


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's, which wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def tell_precision(answers: Iterable[Answer]) -> list[Precision]:
    """Precision of keeping and of dropping, by language, and by rule; from the answers of the sample."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for one in answers:
        if one.why != SAMPLE or one.choice == SKIP:
            continue
        is_right = (one.choice == KEEP) == one.was_kept if one.choice in (KEEP, DROP) else False
        kind = "kept" if one.was_kept else "dropped"
        for name in (kind, f"{kind}, {one.language}", *([f"rule {one.rule}"] if one.rule else [])):
            groups[name].append(is_right)
    return [_interval(name, rights) for name, rights in sorted(groups.items())]


def _interval(name: str, rights: list[bool]) -> Precision:
    """Wilson's interval, around its own middle."""
    count, share = len(rights), sum(rights) / len(rights)
    scale = 1 + Z**2 / count
    middle = (share + Z**2 / (2 * count)) / scale
    margin = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / scale
    return Precision(name, middle, margin, count)
