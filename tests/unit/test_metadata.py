import pytest
from selectolax.lexbor import LexborHTMLParser

from reinschrift.transforms.html.flatten import flatten_html
from reinschrift.transforms.html.metadata import Metadata, read_metadata


def said(html):
    return read_metadata(LexborHTMLParser(html))


def test_open_graph_and_links():
    html = """<head><meta property="og:title" content="The bridge  | The Daily">
    <meta property="og:site_name" content="The Daily"><meta name="Author" content="Ada Kern">
    <meta property="article:published_time" content="2021-03-04T08:00:00+01:00">
    <link rel="canonical" href="https://daily.example/bridge"></head><body><p>x"""
    assert said(html) == Metadata(
        "The bridge", "Ada Kern", "2021-03-04", "https://daily.example/bridge", "The Daily"
    )


def test_json_ld_inside_a_graph():
    html = """<script type="application/ld+json">{"@graph": [{"@type": "NewsArticle",
    "headline": "The bridge", "datePublished": "2021-03-04",
    "author": [{"name": "Ada Kern"}, "Bo Lind"], "publisher": {"name": "The Daily"}}]}</script><p>x"""
    known = said(html)
    assert (known.title, known.author) == ("The bridge", "Ada Kern; Bo Lind")
    assert (known.date, known.site_name) == ("2021-03-04", "The Daily")


@pytest.mark.parametrize(
    ("content", "day"),
    [
        ("2021-03-04", "2021-03-04"),
        ("20210304", "2021-03-04"),
        ("Thu, 04 Mar 2021 08:00:00 GMT", "2021-03-04"),
        ("2021-02-30", None),
        ("1901-01-01", None),
        ("yesterday", None),
    ],
)
def test_dates(content, day):
    assert said(f'<meta name="date" content="{content}"><p>x').date == day


def test_the_day_in_an_address_comes_last():
    link = '<link rel="canonical" href="https://d.example/2014/05/22/bridge">'
    assert said(link + "<p>x").date == "2014-05-22"
    assert said(f'{link}<time datetime="2014-05-20">').date == "2014-05-20"


@pytest.mark.parametrize(
    "html",
    [
        '<script type="application/ld+json">{"broken": </script>',
        '<script type="application/ld+json">' + "[" * 100_000 + "</script>",
        '<meta name="author" content="https://facebook.example/ada">',
        '<link rel="canonical" href="javascript:void(0)">',
        "",
    ],
)
def test_what_is_no_fact_is_none(html):
    assert said(html) == Metadata()


def test_a_page_too_deep_for_a_tree_keeps_its_title():
    page = flatten_html("<title>The &amp; bridge</title>" + "<div>" * 2_000 + "deep")
    assert page.metadata.title == "The & bridge"
