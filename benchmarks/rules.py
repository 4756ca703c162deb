"""Measure rule packs against lines labelled by role: what does each rule take?

    python -m benchmarks.rules --bench ../shared/bench                # hosts that rules are written on
    python -m benchmarks.rules --bench ../shared/bench --part unseen  # hosts kept apart for this report
    python -m benchmarks.rules --bench ../shared/bench --rule generic-en/share --examples 40

Content is what must stay (title, heading, prose, facts; posts on forum pages), furniture what must go
(furniture around posts, other items, navigation, notices). Captions, metadata, comments on articles and
undecided lines count as hits and as neither. Three hosts in ten, by a hash of the name, are unseen:
write and repair rules on the others, and report on these.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from benchmarks.role_pages import read_role_pages
from reinschrift.transforms.boilerplate.packs import Pack, builtin_packs, parse_pack
from reinschrift.transforms.boilerplate.rules import RuleBook

CONTENT = ("t", "h", "p", "f")
FURNITURE = ("x", "r", "n", "l")
PLACE = ["page", "block"]
EXAMPLE_CHARS = 100
PARTS = {"tune": ~pl.col("is_unseen"), "unseen": pl.col("is_unseen"), "all": pl.lit(value=True)}


def labelled_lines(pages: pl.DataFrame) -> pl.DataFrame:
    """One row a labelled line: `page`, `block`, `text`, `host`, `page_type`, `role`, its two sides."""
    lines = (
        pages.with_row_index("page")
        .with_columns(roles=pl.col("roles").str.split(""))
        .explode("lines", "roles", empty_as_null=True)
        .with_columns(block=pl.int_range(pl.len(), dtype=pl.UInt32).over("page"))
        .rename({"lines": "text", "roles": "role"})
    )
    is_post = (pl.col("role") == "q") & (pl.col("page_type") == "forum")
    return lines.with_columns(
        is_content=pl.col("role").is_in(CONTENT) | is_post,
        is_furniture=pl.col("role").is_in(FURNITURE),
    )


def find_rule_hits(lines: pl.DataFrame, packs: tuple[Pack, ...]) -> pl.DataFrame:
    """One row a (line, rule) that fires, with the columns of the line and the text that is cut."""
    book = RuleBook(packs)
    sites = lines.select("page", site=pl.col("host").str.strip_prefix("www.")).unique("page")
    hits = book.find_hits(book.key_lines(lines), sites)
    return hits.join(lines, on=PLACE, maintain_order="left")


def rule_table(hits: pl.DataFrame) -> pl.DataFrame:
    """One row a rule: hits, hosts, and the shares of hits on content and on furniture."""
    return (
        hits.group_by("rule", "action")
        .agg(
            hits=pl.len(),
            hosts=pl.col("host").n_unique(),
            content=pl.col("is_content").sum(),
            content_share=pl.col("is_content").mean(),
            furniture_share=pl.col("is_furniture").mean(),
        )
        .sort(pl.col("content_share"), pl.col("hits"), descending=True)
    )


def pack_table(hits: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """One row a pack and one for all: lines that its dropping rules take, of either side."""
    dropping = hits.filter(pl.col("action") == "drop").with_columns(
        pack=pl.col("rule").str.extract(r"^(.*)/", 1)
    )
    both = pl.concat([dropping, dropping.with_columns(pack=pl.lit("all"))]).unique([*PLACE, "pack"])
    return (
        both.group_by("pack")
        .agg(hits=pl.len(), content=pl.col("is_content").sum(), furniture=pl.col("is_furniture").sum())
        .with_columns(
            content_taken=pl.col("content") / lines["is_content"].sum(),
            furniture_taken=pl.col("furniture") / lines["is_furniture"].sum(),
        )
        .sort("hits", descending=True)
    )


def examples_of(hits: pl.DataFrame, rule: str, count: int) -> list[str]:
    """Lines the rule takes, content first, each with its role and host."""
    mine = hits.filter(pl.col("rule") == rule).sort("is_content", descending=True)
    rows = mine.unique("text", maintain_order=True).head(count).select("role", "host", "text").rows()
    return [f"{role}  {host}: {text.strip()[:EXAMPLE_CHARS]}" for role, host, text in rows]


def report(lines: pl.DataFrame, hits: pl.DataFrame, examples: int, rule: str | None) -> None:
    """Print all rules and packs as tables, then examples of what each rule, or one, takes."""
    table = rule_table(hits)
    with pl.Config(
        tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, fmt_str_lengths=60
    ):
        print(table if rule is None else table.filter(pl.col("rule") == rule))
        print(pack_table(hits, lines))
    wanted = table.filter(pl.col("content") > 0)["rule"].to_list() if rule is None else [rule]
    for name in wanted if examples else []:
        print(f"\n{name}")
        for example in examples_of(hits, name, examples):
            print(f"  {example}")


def main() -> None:
    """Read the labels, run the packs, print the report."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--bench", type=Path, required=True, help="folder with roles_dev.parquet")
    arguments.add_argument("--part", choices=PARTS, default="tune", help="which hosts (default: tune)")
    arguments.add_argument("--packs", type=Path, nargs="*", default=[], help="further packs")
    arguments.add_argument("--rule", help="one rule, as pack/id")
    arguments.add_argument("--examples", type=int, default=3, help="examples a rule (default: 3)")
    given = arguments.parse_args()
    more = tuple(parse_pack(file.read_text(encoding="utf-8"), str(file)) for file in given.packs)
    lines = labelled_lines(read_role_pages(given.bench).filter(PARTS[given.part]))
    hits = find_rule_hits(lines, builtin_packs() + more)
    report(lines, hits, given.examples, given.rule)


if __name__ == "__main__":
    main()
