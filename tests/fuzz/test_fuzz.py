"""Every reader on sound files with holes, flips and rubbish; and what the fuzzers found."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reinschrift.flows.readers import Broken, Ignored, Page
from tests.fuzz.readers import NAMES, check_reader, seeds

SEEDS = seeds()
EDITS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.integers(0, 40),
        st.one_of(
            st.binary(max_size=12),
            st.sampled_from(
                [
                    b"\x00",
                    b'"',
                    b"\n",
                    b"\r\n",
                    b"\x1f\x8b\x08\x00",
                    b"WARC/1.0\r\n",
                    b"PK\x03\x04",
                    b"\xef\xbb\xbf",
                    b"\xff\xfe",
                    b"Content-Length: 99\r\n",
                ]
            ),
        ),
    ),
    max_size=6,
)


def edited(data, edits):
    for place, length, put in edits:
        at = int(place * len(data))
        data = data[:at] + put + data[at + length :]
    return data


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_file_is_read(name):
    items = check_reader(name, SEEDS[name])
    assert items
    assert all(isinstance(item, Page) for item in items)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(NAMES), edits=EDITS)
def test_a_damaged_file_ends_in_pages_and_reasons(name, edits):
    check_reader(name, edited(SEEDS[name], edits))


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.binary(max_size=400))
@example(name="a.csv", data=b"text\n\x00")
@example(name="a.jsonl", data=b"\xff\xfe{")
def test_rubbish_ends_in_pages_and_reasons(name, data):
    check_reader(name, data)


# What the fuzzers found, kept: the name, the bytes.
FOUND: list[tuple[str, bytes]] = [
    ("a.txt", b"\x0b\x00"),  # nothing but control characters that count as white space
    (  # a field whose name is no text
        "a.warc",
        b"WARC/1.0\r\nWARC-Type: resource\r\nWARC\xff: x\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 5\r\n\r\nHallo\r\n\r\n",
    ),
    ("a.csv", b"text\rid\nx,y\n"),  # a line end of old within a field
    ("a.zip", b"PK\x05\x06" + bytes(18)),  # an archive of nothing
    (  # a directory with one entry, whose name is a NUL
        "a.zip",
        b"PK\x03\xa0\xa6\xeb\xa9\xe9\x9f\xa9_PK\x01\x02\x14\x03\x10\x00\xff\xff\x08\x00\xd1\x1aw]pxi\xf9"
        b"\xad\x00\x00\x00\xac\x02\x00\x00\x08"
        + bytes(24)
        + b"lPK\x05\x06"
        + bytes(4)
        + b"\x01\x00\x01\x006\x00\x00\x00\xd3"
        + bytes(5),
    ),
]


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_the_fuzzers_found(name, data):
    items = check_reader(name, data)
    assert all(isinstance(item, Page | Broken | Ignored) for item in items)
