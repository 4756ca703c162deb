"""Correcting lines in a browser: what is asked, what is kept of the answers, what the next run makes of it."""

import asyncio
import json
import re
import signal
import subprocess
import sys

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reinschrift.flows.review.answers import (
    DROP,
    EVERY_SITE,
    KEEP,
    RULE_IS_WRONG,
    Answer,
    Answers,
    make_packs,
    tell_precision,
)
from reinschrift.flows.review.questions import SAMPLE, deal_questions
from reinschrift.flows.review.server import Review, make_app
from reinschrift.flows.store.local import Corpus
from reinschrift.transforms.boilerplate.packs import parse_pack
from reinschrift.transforms.boilerplate.rules import check_examples
from tests.browser import DESKTOP, axe_source, open_browser, violations
from tests.conftest import clean, read_corpus

PROSE = "The harbour was rebuilt in 1921 after the great storm had taken the old pier and its lamps."
MORE = "A lighthouse needs a keeper who does not sleep at night, and a cat that does."
WRONG = "Log in"
FURNITURE = "The Harbour Gazette wishes you a pleasant stay on these pages"
EVIL = "<img src=x onerror='document.title=1'> is how the visitor signed the book of the harbour."
HEADERS = {"host": "127.0.0.1:9", "content-type": "application/json"}


@pytest.fixture
def out(tmp_path):
    rows = [
        {"url": f"https://gazette.example/{n}", "text": f"{PROSE} {n}\n{WRONG}\n{MORE} {n}\n{FURNITURE}\n{EVIL}"}
        for n in range(3)
    ]  # fmt: skip
    (tmp_path / "pages.jsonl").write_text("\n".join(map(json.dumps, rows)))
    clean([tmp_path / "pages.jsonl"], tmp_path / "out", line_model=False, skip=("repeats",))
    return tmp_path / "out"


def again(out):
    inputs = [out.parent / "pages.jsonl"]
    clean(inputs, out, line_model=False, skip=("repeats",))
    return read_corpus(out / "corpus")


def make_answer(text, choice, *, was_kept, rule=None, site="gazette.example", near=PROSE, name="a:1"):  # noqa: PLR0913
    return Answer(name, choice, SAMPLE, was_kept, text, rule, site, "en", near)


def test_what_is_asked_is_stable_and_has_its_context(out):
    folder = (out / "corpus").resolve()
    questions = deal_questions(folder, set())
    assert questions == deal_questions(folder, set())
    assert {one.why for one in questions} == {"doubtful"}  # so few lines are all in the first list
    dropped = next(one for one in questions if one.text == WRONG)
    assert (dropped.is_kept, dropped.site) == (False, "gazette.example")
    assert dropped.above[-1].startswith(PROSE)
    assert dropped.below[0].startswith(MORE)
    left = deal_questions(folder, {one.id for one in questions[:4]})
    assert {one.id for one in left} == {one.id for one in questions[4:]}


def test_the_next_run_has_learnt(out):
    answers = Answers(Corpus(out))
    answers.add(make_answer(WRONG, KEEP, was_kept=False, rule="generic-en/account"))
    answers.add(make_answer(FURNITURE, DROP, was_kept=True, name="a:2"))
    tables = again(out)
    lines = "\n".join(tables["documents"]["text"]).splitlines()
    assert lines.count(WRONG) == 3
    assert FURNITURE not in lines
    rules = tables["ledger"].filter(before=FURNITURE)["rule"].unique().to_list()
    assert rules == ["review-gazette-example/lines"]


def test_a_rule_that_is_wrong_is_held_on_its_site(out):
    rule = read_corpus(out / "corpus")["ledger"].filter(before=WRONG)["rule"][0]
    Answers(Corpus(out)).add(make_answer(WRONG, RULE_IS_WRONG, was_kept=False, rule=rule))
    assert WRONG in again(out)["documents"]["text"][0].splitlines()


def test_answers_survive_and_a_cut_line_is_none(out):
    answers = Answers(Corpus(out))
    answers.add(make_answer(WRONG, KEEP, was_kept=False))
    with answers.path.open("a") as file:
        file.write('{"id": "b:1", "choi')
    later = Answers(Corpus(out))
    assert list(later.by_id) == ["a:1"]
    later.add(make_answer(FURNITURE, DROP, was_kept=True, name="c:1"))
    assert list(Answers(Corpus(out)).by_id) == ["a:1", "c:1"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=40), st.sampled_from([KEEP, DROP, RULE_IS_WRONG]), st.booleans()), max_size=6))  # fmt: skip
def test_packs_of_any_text_are_sound(given_answers):
    answers = [
        make_answer(text, choice, was_kept=was_kept, name=str(number), rule="line-model", near=text + " and more")
        for number, (text, choice, was_kept) in enumerate(given_answers)
        if text.strip()
    ]  # fmt: skip
    for name, text in make_packs(answers).items():
        assert check_examples(parse_pack(text, name)) == []


def test_a_page_without_a_site_counts_for_all():
    packs = make_packs([make_answer(FURNITURE, DROP, was_kept=True, site=None)])
    assert list(packs) == [f"drop-{EVERY_SITE}"]
    assert "hosts" not in packs[f"drop-{EVERY_SITE}"]


def test_precision_is_told_with_its_interval():
    answers = [make_answer(str(n), KEEP if n else DROP, was_kept=True, name=str(n)) for n in range(40)]
    found = {one.name: one for one in tell_precision(answers)}
    assert found["kept"].answers == 40
    assert 0.90 < found["kept"].share < 0.975
    assert 0.02 < found["kept"].margin < 0.08
    assert set(found) == {"kept", "kept, en"}


class Client:
    """Requests to an application, without a network."""

    def __init__(self, app):
        self.transport = httpx.ASGITransport(app)

    def request(self, method, path, **given):
        async def ask():
            async with httpx.AsyncClient(
                transport=self.transport, base_url="http://127.0.0.1:9"
            ) as client:
                return await client.request(method, path, **given)

        return asyncio.run(ask())


def client_of(out):
    review = Review(Corpus(out), (out / "corpus").resolve())
    return Client(make_app(review, "token", "127.0.0.1:9")), review


def test_only_who_knows_the_token_at_our_address_is_answered(out):
    client, review = client_of(out)
    question = next(iter(review.questions))
    body = json.dumps({"id": question, "choice": KEEP})
    for path, headers, code in (
        ("/other/answer", HEADERS, 404),
        ("/token/answer", {**HEADERS, "host": "evil.example"}, 404),
        ("/token/answer", {**HEADERS, "content-type": "text/plain"}, 415),
        ("/token/nowhere", HEADERS, 404),
    ):
        assert client.request("POST", path, content=body, headers=headers).status_code == code
    assert client.request("GET", "/token/answer", headers=HEADERS).status_code == 405
    for wrong in ("[", "[]", '{"id": "x", "choice": "keep"}', f'{{"id": "{question}", "choice": "x"}}'):
        assert client.request("POST", "/token/answer", content=wrong, headers=HEADERS).status_code == 400
    assert review.answers.by_id == {}
    assert client.request("POST", "/token/answer", content=body, headers=HEADERS).json()["answered"] == 1
    assert client.request("POST", "/token/undo", content="{}", headers=HEADERS).json()["answered"] == 0
    page = client.request("GET", "/token/", headers=HEADERS)
    assert "script-src 'self'" in page.headers["content-security-policy"]


def serve(out):
    process = subprocess.Popen(
        [sys.executable, "-m", "reinschrift", "review", "--out", out], stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    return process, re.search(r"http://\S+", line)[0]


@pytest.mark.slow
def test_ten_lines_in_a_browser(out, tmp_path):
    """Answers by keys, one taken back; the server is stopped by Ctrl-C and asked again."""
    with open_browser() as browser:
        context = browser.new_context(viewport=DESKTOP, bypass_csp=True)
        process, address = serve(out)
        try:
            page = context.new_page()
            page.goto(address)
            page.wait_for_function("document.querySelector('#line').textContent !== ''")
            assert violations(page, axe_source(tmp_path)) == []
            seen = {}
            for number in range(10):
                line, about = page.inner_text("#line"), page.inner_text("#about")
                key = "k" if "was dropped" in about else "d" if line == FURNITURE else "s"
                seen.setdefault(line, key)
                page.keyboard.press(key)
                page.wait_for_function(
                    f"document.querySelector('#progress').textContent.endsWith('{14 - number} left')"
                )
            assert page.evaluate("document.title") == "Review"
            page.keyboard.press("u")
            page.wait_for_function("document.querySelector('#progress').textContent.endsWith('6 left')")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) in (0, 130, -signal.SIGINT)
        process, address = serve(out)
        try:
            page.goto(address)
            page.wait_for_function("document.querySelector('#progress').textContent.endsWith('6 left')")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    lines = "\n".join(again(out)["documents"]["text"]).splitlines()
    if seen.get(WRONG):
        assert WRONG in lines
    if seen.get(FURNITURE):
        assert FURNITURE not in lines
    assert seen.keys() & {WRONG, FURNITURE}
