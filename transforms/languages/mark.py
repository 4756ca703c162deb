"""The language of every block, and the languages of the page.

An engine of `detectors` is asked for passages: a line of prose, or a run of short lines in one piece,
since a menu says more of its language than each of its items. What it answers is weighed against the
page and the passages beside, which count the more the shorter the passage is; in a run that may mix
languages each line is asked again. Each page is judged by itself, and sums are sums of integers, so
neither batch nor order changes a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from reinschrift.transforms.boilerplate.lexicons import words_of_furniture
from reinschrift.transforms.contracts import UNDETERMINED
from reinschrift.transforms.languages.detectors import ENGINES, OF_THE_WEB

if TYPE_CHECKING:
    from reinschrift.transforms.languages.detectors import Answer, Ask, Engine

MIN_PROSE_LETTERS = 40  # shorter blocks say little of their language
MIN_PROSE_SHARE = 0.6  # letters among the characters of prose; code and tables have fewer
IDEOGRAPH_LETTERS = 3  # a Chinese or Japanese character says as much as three letters
RUN_LETTERS = 240  # a run of short lines is asked in pieces of about this length
MIN_ASKED_LETTERS = 3  # fewer say nothing
WINDOW_CHARS = 100  # of a long line its beginning and its middle are asked, this much of each
FIRST_PASSAGES = 2  # asked with full effort on each page
MIN_EXPECTED_SHARE = 0.97  # of their letters in one language for it to be expected of the others
MIN_PAGE_WEIGHT = 0.9  # from here on a passage is taken to be in the page's language as a whole
MIN_OTHER_LETTERS = 30  # a shorter passage does not make a page mixed
MAX_OTHER_SHARE = 0.1  # of the page's letters: less does not, either
MIN_FURNITURE_SHARE = 1 / 3  # of a line's words: it does not vote on the language of the page
MIN_HEARD_SHARE = 0.1  # of the prose, or else furniture votes as well
NEIGHBOURS = (-1, 1)  # places off
PRIOR_LETTERS = 5  # at this length a passage counts as much as its page, or as its neighbours
FLOOR = 0.02  # probability of a language that was not named
PER_MILLE = 1_000

# Addresses are in no language; detectors take them for English.
ADDRESS = r"(?i)(?:https?://|\bwww\.)\S+|\S+@\S+\.\S+"


def mark_language(blocks: pl.DataFrame, engine: str = "cascade") -> pl.DataFrame:
    """Tell the language of every block.

    In: `page`, `text`, in page order; a block whose `kind`, if there is one, is code has no say and
    takes the page's language. Out: the same rows with `language` (ISO 639-1, else 639-3; `und` where
    there are no letters) and, the same on all rows of a page, `page_language` (that of most letters of
    its prose, furniture aside; of all its letters where it has no such prose), `page_score` (the share
    of those letters),
    `page_languages` (each language with its share of the page's letters, most first) and
    `page_agreement` (share of the letters of prose on which the voters agreed; null without a vote).
    """
    lines = _measure(blocks)
    passages, members = _cut_passages(lines.filter(pl.col("letters") > 0, ~pl.col("is_code")))
    who = ENGINES[engine]
    evidence = _ask_passages(passages, who)
    pages = _page_prior(passages, evidence)
    labels = _label_lines(passages, members, evidence, pages, who)
    marked = lines.join(labels, on="row", how="left", maintain_order="left")
    facts = _page_facts(marked).join(_agreement(passages, evidence), on="page", how="left")
    has_letters = pl.col("text").str.contains(r"\p{L}")
    return (
        marked.join(facts, on="page", how="left", maintain_order="left")
        .with_columns(
            pl.col("page_language").fill_null(UNDETERMINED),
            pl.col("page_score").fill_null(0.0),
            pl.col("page_languages").fill_null([]),
        )
        .with_columns(
            language=pl.when(has_letters)
            .then(pl.coalesce("language", "page_language"))
            .otherwise(pl.lit(UNDETERMINED))
        )
        .drop("row", "asked", "letters", "is_prose", "is_code")
    )


def _measure(blocks: pl.DataFrame) -> pl.DataFrame:
    """Adds `row`, `asked` (what a detector is shown), `letters`, `is_prose` and `is_code`."""
    is_code = pl.col("kind") == "code" if "kind" in blocks.columns else pl.lit(value=False)
    lines = blocks.with_row_index("row").with_columns(
        asked=pl.col("text").str.strip_chars(), is_code=is_code
    )
    # Other characters are fewer, and each match costs.
    others = pl.col("asked").str.count_matches(r"\P{L}")
    lines = _without_addresses(lines).with_columns(
        letters=(pl.col("asked").str.len_chars() - others).cast(pl.Int64)
    )
    ideographs = pl.col("asked").str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}]").cast(pl.Int64)
    is_dense = pl.col("letters") >= MIN_PROSE_SHARE * pl.col("asked").str.len_chars()
    lines = lines.with_columns(
        letters=pl.col("letters") + (IDEOGRAPH_LETTERS - 1) * ideographs,
        is_prose=is_dense & ~pl.col("is_code"),
    )
    return lines.with_columns(is_prose=pl.col("is_prose") & (pl.col("letters") >= MIN_PROSE_LETTERS))


def _without_addresses(lines: pl.DataFrame) -> pl.DataFrame:
    """`asked` without addresses; few lines have one, and the pattern is slow."""
    asked = pl.col("asked")
    touched = lines.filter(asked.str.contains(r"@|://|[wW]\."))
    return lines.update(touched.select("row", asked=asked.str.replace_all(ADDRESS, " ")), on="row")


def _cut_passages(lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put runs of short lines together; a line of prose is a passage by itself.

    Out: `passage`, `page`, `asked`, `letters`, `is_prose`, `lines` (how many), a row a passage in page
    order; and `row`, `page`, `passage`, `place`, `asked`, `letters`, a row a line.
    """
    page, is_prose = pl.col("page"), pl.col("is_prose")
    begins = is_prose | is_prose.shift(1) | (page != page.shift(1))
    so_far = pl.col("letters").cum_sum().over("run") - pl.col("letters")
    members = (
        lines.with_columns(run=begins.fill_null(value=True).cum_sum())
        .with_columns(piece=so_far // RUN_LETTERS)
        .with_columns(passage=pl.struct("run", "piece").rle_id().cast(pl.Int64))
        .with_row_index("place")
        .select("row", "page", "passage", pl.col("place").cast(pl.Int64), "asked", "letters", "is_prose")
    )
    passages = members.group_by("passage", maintain_order=True).agg(
        pl.col("page", "is_prose").first(),
        pl.col("asked").str.join(" "),
        pl.col("letters").sum(),
        lines=pl.len(),
    )
    return passages.with_columns(asked=_window(pl.col("asked"))), members.drop("is_prose")


def _window(text: pl.Expr) -> pl.Expr:
    """The beginning and the middle: long repetitive texts fool detectors, and cost time."""
    size = text.str.len_chars()
    middle = text.str.slice(size // 2, WINDOW_CHARS)
    windows = pl.concat_str(text.str.slice(0, WINDOW_CHARS), middle, separator=" ")
    return pl.when(size > 2 * WINDOW_CHARS).then(windows).otherwise(text)


def _ask_passages(passages: pl.DataFrame, engine: Engine) -> pl.DataFrame:
    """What the engine says of each passage: `passage`, `language`, `weight`, `agreed`, likeliest first.

    The longest passages of a page are asked first. Where they are all in one language, the others may
    be identified with less effort if they are in it, too. Other runs of lines are only screened: if they
    are not in the page's language, each of their lines will be asked.
    """
    is_voter = pl.col("is_prose") | ~pl.col("is_prose").any().over("page")
    rank = pl.struct(-pl.col("letters"), "passage").rank("ordinal").over("page", "is_prose")
    asked = passages.with_columns(
        is_first=is_voter & (rank <= FIRST_PASSAGES), expected=pl.lit(None, pl.String)
    )
    first = _ask(asked.filter("is_first"), engine.ask)
    expected = (
        _page_prior(asked, first)
        .filter(pl.col("prior") >= MIN_EXPECTED_SHARE)
        .select("page", expected="language")
    )
    others = (
        asked.filter(~pl.col("is_first"))
        .drop("expected")
        .join(expected, on="page", how="left", maintain_order="left")
    )
    is_run = pl.col("lines") > 1
    runs = _ask(others.filter(is_run), engine.screen)
    return pl.concat([first, _ask(others.filter(~is_run), engine.ask), runs])


def _ask(units: pl.DataFrame, ask: Ask, key: str = "passage") -> pl.DataFrame:
    """What an engine says, each different question asked once.

    In: `key`, `asked`, `expected`. Out: `key`, `language`, `weight` (probability per mille), `agreed`,
    likeliest first; a text it can't tell has one row without a language.
    """
    questions = units.select("asked", "expected").unique(maintain_order=True).with_row_index("question")
    found = ask(questions["asked"].to_list(), questions["expected"].to_list())
    rows = [
        (number, language, round(probability * PER_MILLE), answer.agreed)
        for number, answer in enumerate(found)
        for language, probability in _by_weight(answer)
    ]
    schema = {
        "question": pl.UInt32, "language": pl.String, "weight": pl.Int64, "agreed": pl.Boolean,
    }  # fmt: skip
    answers = pl.DataFrame(rows, schema=schema, orient="row")
    asked = units.join(questions, on=["asked", "expected"], nulls_equal=True, maintain_order="left")
    return (
        asked.select(key, "question")
        .join(answers, on="question", maintain_order="left")
        .drop("question")
    )


def _by_weight(answers: Answer) -> list[tuple[str | None, float]]:
    if not answers.likely:
        return [(None, 0.0)]
    return sorted(answers.likely.items(), key=lambda item: (-item[1], item[0]))


def _page_prior(passages: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """`page`, `language`, `prior` (share of the page's letters), likeliest first.

    Prose votes; on a page without any, all passages do.
    """
    is_voter = pl.col("is_prose") | ~pl.col("is_prose").any().over("page")
    votes = passages.filter(is_voter).select("passage", "page", "letters").join(evidence, on="passage")
    return (
        votes.filter(pl.col("language").is_not_null())
        .group_by("page", "language")
        .agg(votes=(pl.col("letters") * pl.col("weight")).sum())
        .sort("page", "votes", "language", descending=[False, True, False])
        .with_columns(prior=pl.col("votes") / pl.col("votes").sum().over("page"))
        .drop("votes")
    )


def _label_lines(
    passages: pl.DataFrame,
    members: pl.DataFrame,
    evidence: pl.DataFrame,
    pages: pl.DataFrame,
    engine: Engine,
) -> pl.DataFrame:
    """`row` and `language` of every line that was asked, by itself or in its passage."""
    known = _sort_out(passages, evidence, pages)
    whole = known.filter("is_whole")
    doubtful = whole.filter(~pl.col("is_pages")).rename({"passage": "key"})
    beside = _beside(
        doubtful.select("key", "page", place="key"),
        passages.select("page", place="passage").join(evidence, left_on="place", right_on="passage"),
    )
    smoothed = _weigh(doubtful, evidence.rename({"passage": "key"}), beside, pages)
    by_passage = members.join(
        pl.concat(
            [
                whole.filter("is_pages").select("passage", "language"),
                smoothed.rename({"key": "passage"}),
            ]
        ),
        on="passage",
    ).select("row", "language")
    mixed = (
        members.join(known.filter(~pl.col("is_whole")), on="passage", how="semi")
        .with_columns(expected=pl.lit(None, pl.String))
        .rename({"place": "key"})
    )
    of_lines = _ask(mixed.filter(pl.col("letters") >= MIN_ASKED_LETTERS), engine.ask_lines, "key")
    around = members.join(mixed, on="passage", how="anti").select("page", "place", "passage")
    said = pl.concat(
        [
            mixed.select("page", place="key").join(of_lines, left_on="place", right_on="key"),
            around.join(evidence, on="passage").drop("passage"),
        ]
    )
    nearby = _beside(mixed.select("key", "page", place="key"), said)
    by_line = _weigh(mixed, of_lines, nearby, pages).join(mixed.select("key", "row"), on="key")
    return pl.concat([by_passage, by_line.select("row", "language")])


def _sort_out(passages: pl.DataFrame, evidence: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
    """Adds `language` of the likeliest, `is_pages` (whether the page's) and `is_whole` (all of it is).

    The runs of a page are whole where nothing on it speaks of a second language.
    """
    first = evidence.group_by("passage", maintain_order=True).agg(pl.col("language", "weight").first())
    top = pages.group_by("page", maintain_order=True).agg(page_first=pl.col("language").first())
    is_pages = (pl.col("language") == pl.col("page_first")).fill_null(value=False)
    is_clear = pl.col("is_pages") & (pl.col("weight") >= MIN_PAGE_WEIGHT * PER_MILLE)
    others = pl.col("letters").filter(~is_clear & (pl.col("letters") >= MIN_OTHER_LETTERS)).sum()
    is_plain = (others <= MAX_OTHER_SHARE * pl.col("letters").sum()).over("page")
    return (
        passages.join(first, on="passage")
        .join(top, on="page", how="left")
        .with_columns(is_pages=is_pages)
        .with_columns(is_whole=(is_clear & is_plain) | (pl.col("lines") == 1))
    )


def _beside(units: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """What was said of the neighbours on the page.

    In: units `key`, `page`, `place`; `page`, `place`, `language`, `weight`, a row an answer. Out: `key`,
    `language`, `weight` per mille of what all neighbours could say.
    """
    found = [
        units.with_columns(pl.col("place") + step)
        .join(said, on=["page", "place"])
        .select("key", "language", "weight")
        for step in NEIGHBOURS
    ]
    return pl.concat(found).group_by("key", "language").agg(pl.col("weight").sum() // len(NEIGHBOURS))


def _weigh(
    units: pl.DataFrame, evidence: pl.DataFrame, beside: pl.DataFrame, pages: pl.DataFrame
) -> pl.DataFrame:
    """The likeliest language of each unit, by itself, its neighbours and its page.

    In: units `key`, `page`, `letters`; by `key`, `language`, `weight` what was said of it and of its
    neighbours. Out: `key`, `language` (null where nothing is known).
    """
    place = units.select("key", "page", "letters")
    own = evidence.join(place, on="key", how="semi").select("key", "language", own="weight")
    prior = place.select("key", "page").join(pages, on="page").select("key", "language", "prior")
    share = (pl.lit(PRIOR_LETTERS) / pl.col("letters")).clip(upper_bound=1.0)

    def log(column: str, scale: int) -> pl.Expr:
        return (FLOOR + pl.col(column).fill_null(0) / scale).log()

    # A language that no other line of the page is in, and few pages are, takes prose to be found.
    is_found = pl.col("prior").is_not_null() | pl.col("language").is_in(OF_THE_WEB)
    best = (
        pl.concat([own, beside.rename({"weight": "beside"}), prior], how="diagonal")
        .filter(pl.col("language").is_not_null())
        .group_by("key", "language")
        .agg(pl.col("own", "beside", "prior").max())
        .join(place, on="key")
        .filter(is_found | (pl.col("letters") >= MIN_PROSE_LETTERS))
        .with_columns(score=log("own", PER_MILLE) + share * (log("prior", 1) + log("beside", PER_MILLE)))
        .sort("key", "score", "language", descending=[False, True, False])
        .group_by("key", maintain_order=True)
        .agg(pl.col("language").first())
    )
    return place.select("key").join(best, on="key", how="left", maintain_order="left")


def _page_facts(marked: pl.DataFrame) -> pl.DataFrame:
    """`page`, `page_language`, `page_score`, `page_languages` of pages with a language."""
    answers = marked.filter(pl.col("language").is_not_null())
    tally = answers.group_by("page", "language").agg(letters=pl.col("letters").sum())
    by_letters = tally.sort("page", "letters", "language", descending=[False, True, False])
    shares = by_letters.group_by("page", maintain_order=True).agg(
        page_languages=pl.struct(
            "language", share=(pl.col("letters") / pl.col("letters").sum()).cast(pl.Float32)
        )
    )
    votes = pl.when(pl.col("votes").sum().over("page") > 0).then("votes").otherwise("letters")
    by_votes = (
        by_letters.join(_votes(answers), on=["page", "language"], how="left")
        .with_columns(votes=votes.fill_null(0))
        .sort("page", "votes", "letters", "language", descending=[False, True, True, False])
    )
    return (
        by_votes.group_by("page", maintain_order=True)
        .agg(
            page_language=pl.col("language").first(),
            page_score=(pl.col("votes").first() / pl.col("votes").sum()).cast(pl.Float32),
        )
        .join(shares, on="page")
    )


def _votes(answers: pl.DataFrame) -> pl.DataFrame:
    """`page`, `language`, `votes`: letters that vote on the page's language.

    Prose votes; on a page without any, all lines do. On pages in several languages furniture does not:
    notices about cookies, comments and deliveries are often in another language than the text. But a
    page that is a notice is one: next to nothing beside it does not decide.
    """
    is_disputed = pl.col("language").n_unique().over("page") > 1
    silent = _furniture(answers.filter(is_disputed))
    heard = _voters(answers.join(silent, on="row", how="anti"))
    everyone = _voters(answers)
    letters = pl.col("letters").sum()
    decide = (
        everyone.group_by("page")
        .agg(all=letters)
        .join(heard.group_by("page").agg(heard=letters), on="page")
        .filter(pl.col("heard") >= MIN_HEARD_SHARE * pl.col("all"))
    )
    voters = pl.concat(
        [heard.join(decide, on="page", how="semi"), everyone.join(decide, on="page", how="anti")]
    )
    return voters.group_by("page", "language").agg(votes=letters)


def _voters(lines: pl.DataFrame) -> pl.DataFrame:
    """Prose; of a page without any, all lines."""
    return lines.filter(pl.col("is_prose") | ~pl.col("is_prose").any().over("page"))


def _furniture(lines: pl.DataFrame) -> pl.DataFrame:
    """`row` of lines a third of whose words, function words aside, are of menus, notices and shops."""
    furniture, functional = words_of_furniture()
    words = lines.select("row", word=pl.col("asked").str.to_lowercase().str.extract_all(r"\p{L}+"))
    return (
        words.explode("word")
        .filter(~pl.col("word").is_in(functional))
        .group_by("row")
        .agg(share=pl.col("word").is_in(furniture).mean())
        .filter(pl.col("share") >= MIN_FURNITURE_SHARE)
        .select("row")
    )


def _agreement(passages: pl.DataFrame, evidence: pl.DataFrame) -> pl.DataFrame:
    """`page` and `page_agreement`: share of the letters of prose on which the voters agreed."""
    votes = (
        passages.filter("is_prose")
        .join(evidence.select("passage", "agreed").unique("passage"), on="passage")
        .filter(pl.col("agreed").is_not_null())
    )
    agreed = pl.col("letters").filter(pl.col("agreed")).sum()
    return votes.group_by("page").agg(page_agreement=(agreed / pl.col("letters").sum()).cast(pl.Float32))
