"""Measuring rules against lines labelled by role: labels joined to pages, hits counted by side."""

import json

import polars as pl
import pytest

from benchmarks.role_pages import hash_line, join_labels, read_role_pages
from benchmarks.rules import examples_of, find_rule_hits, labelled_lines, pack_table, rule_table
from reinschrift.transforms.boilerplate.packs import parse_pack

PACK = """
[pack]
name = "mine"
why = "a site"

[[rule]]
id = "share"
kind = "exact"
pattern = "Share"
why = "a button"
removes = ["Share"]
keeps = ["Share the bread."]
"""
PAGES = pl.DataFrame(
    {
        "host": ["a.example", "b.example"],
        "page_type": ["article", "forum"],
        "lines": [["Share", "Bread", "Share"], ["Share", "Share"]],
        "roles": ["nph", "qx"],
    }
)


def test_a_rule_is_counted_by_the_roles_of_the_lines_it_takes():
    lines = labelled_lines(PAGES)
    hits = find_rule_hits(lines, (parse_pack(PACK, "mine.toml"),))
    row = rule_table(hits).row(0, named=True)
    assert (row["rule"], row["hits"], row["hosts"], row["content"]) == ("mine/share", 4, 2, 2)
    assert (row["content_share"], row["furniture_share"]) == (0.5, 0.5)
    every = pack_table(hits, lines).filter(pack="all").row(0, named=True)
    assert every["content_taken"] == pytest.approx(2 / 3)
    assert every["furniture_taken"] == 1
    assert examples_of(hits, "mine/share", 9)[0].split(":")[0] == "h  a.example"


def bench_with(folder, html, hashes, roles="tp"):
    page = {"id": "1", "host": "a.example", "lang": "en", "page_type": "article"}
    pl.DataFrame([{**page, "html": html}]).write_parquet(folder / "html_dev.parquet")
    pl.DataFrame([{**page, "id": "0", "lines": ["Bread"], "roles": "t"}]).write_parquet(
        folder / "roles_dev.parquet"
    )
    labels = folder / "roles.jsonl"
    record = {"id": "1", "set": "html_dev", "roles": roles, "hashes": "".join(hashes)}
    labels.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return labels


def test_labels_join_the_lines_of_their_page(tmp_path):
    html = "<h1>Bread</h1><p>Flour and  water.</p>"
    labels = bench_with(tmp_path, html, [hash_line("Bread"), hash_line("Flour and water.")])
    pages = read_role_pages(tmp_path, labels)
    assert pages["roles"].to_list() == ["t", "tp"]
    assert pages["lines"][1].to_list()[0] == "Bread"


def test_a_page_that_changed_since_is_refused(tmp_path):
    labels = bench_with(tmp_path, "<h1>Bread</h1>", [hash_line("Cake")], "t")
    with pytest.raises(ValueError, match=r"1: its lines differ.*Label the page again"):
        join_labels(tmp_path, labels)
