import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from reinschrift.transforms.blocks import guess_kinds, number_blocks, place_blocks, split_lines


def cut(*texts):
    pages = pl.DataFrame(
        {"page": range(len(texts)), "content": texts},
        schema={"page": pl.UInt32, "content": pl.String},
    )
    return number_blocks(split_lines(pages))


def test_all_line_breaks_cut():
    assert cut("a\r\nb\rc\nd\u2028e\x0bf")["raw"].to_list() == list("abcdef")


def test_blank_lines_are_counted_not_kept():
    blocks = cut("\n a\n\n  \nb", "c")
    assert blocks.select("page", "block", "raw", "blank_before").rows() == [
        (0, 0, " a", 1),
        (0, 1, "b", 2),
        (1, 0, "c", 0),
    ]


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\u2028\u2029")),
        min_size=1,
    )
)
def test_offsets_point_into_the_page(texts):
    for page, text, start in (
        place_blocks(cut(*texts).with_columns(text="raw")).select("page", "text", "start").rows()
    ):
        assert texts[page][start : start + len(text)] == text


def test_kinds_of_flat_text():
    blocks = cut(
        "Title of it\n\nA long enough line of prose that ends a sentence here.\n• one\n1. two\nShort end."
    )
    assert guess_kinds(blocks).to_list() == [
        "heading", "paragraph", "list_item", "list_item", "paragraph",
    ]  # fmt: skip
