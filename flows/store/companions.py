"""What lies beside the tables of a version, so that it explains itself and opens everywhere.

README.md is a dataset card that `datasets.load_dataset` reads; dictionary.md has every column;
corpus.sql makes views in DuckDB; croissant.json describes it all to machines. They are functions of
the tables and their figures: no time, no place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from reinschrift.flows.store.local import explain_os_error
from reinschrift.transforms.contracts import DOCUMENTS, PUBLISHED, UNDETERMINED, Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_SITES = 20
MAX_RULES = 20
CARD, DICTIONARY, VIEWS, CROISSANT = "README.md", "dictionary.md", "corpus.sql", "croissant.json"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_companions(folder: Path, figures: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Write them into a folder of tables. Raises OutputError where that fails."""
    texts = {
        CARD: dataset_card(figures, settings),
        DICTIONARY: data_dictionary(),
        VIEWS: duckdb_views(),
        CROISSANT: json.dumps(croissant(), ensure_ascii=False, indent=1) + "\n",
    }
    for name, text in texts.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise explain_os_error(error, folder / name) from error


def glob_of(table: Table) -> str:
    """The files of a table, below the corpus."""
    return f"{table.name}/*/*.parquet" if table.partition_by else f"{table.name}/*.parquet"


# ---------------------------------------------------------------- the card


def dataset_card(figures: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Markdown with front matter: a configuration a table, then figures, sources and limits."""
    languages = figures.get("languages", {})
    known = sorted(code for code in languages if code != UNDETERMINED)
    lines = ["---", "license: other  # fill in: whose texts these are, and what may be done with them"]
    lines += ["language:", *(f"- {code}" for code in known)] if known else []
    lines += ["configs:"]
    for table in PUBLISHED:
        lines += [f"- config_name: {table.name}", f'  data_files: "{glob_of(table)}"']
        lines += ["  default: true"] if table is DOCUMENTS else []
    lines += ["---", "", "# A corpus of web pages", ""]
    lines += [
        "Made by Reinschrift: scraped pages, cleaned, with a ledger of every line that was removed.",
        "",
        "Open it:",
        "",
        "```python",
        "import pandas as pd",
        'pd.read_parquet("documents")  # in this folder',
        "```",
        "",
        f"The columns are in {DICTIONARY}. {VIEWS} makes views in DuckDB. manifest.json has the hash of",
        "every file, the settings and the figures of this version.",
        "",
    ]
    return "\n".join([*lines, *_figures(figures), *_settings(settings), *_LIMITS]) + "\n"


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    read, kept = figures.get("chars_read", 0), figures.get("chars", 0)
    yield "## Figures"
    yield ""
    yield f"- documents: {figures.get('documents', 0):,}, of {figures.get('pages', 0):,} pages read"
    yield f"- characters: {kept:,} kept of {read:,} read"
    yield f"- rows in the ledger: {figures.get('ledger', 0):,}"
    yield f"- inputs and records in quarantine: {figures.get('quarantine', 0):,}"
    yield ""
    yield from _counts("Languages", "documents", figures.get("languages", {}), MAX_SITES)
    yield from _counts("Sources", "documents", _documents_of_sites(figures), MAX_SITES)
    yield from _counts("Removed most often", "units", figures.get("rules", {}), MAX_RULES)


def _documents_of_sites(figures: Mapping[str, Any]) -> dict[str, int]:
    return {name: documents for name, (documents, *_) in figures.get("sites", {}).items()}


def _counts(title: str, unit: str, counts: Mapping[str, Any], most: int) -> Iterator[str]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if not rows:
        return
    yield from (f"## {title}", "", f"| | {unit} |", "|---|---|")
    yield from (f"| {_cell(name)} | {count:,} |" for name, count in rows[:most])
    if len(rows) > most:
        yield f"| {len(rows) - most:,} more | {sum(count for _, count in rows[most:]):,} |"
    yield ""


def _cell(text: str) -> str:
    safe = "".join(char if char.isalnum() or char in " .-_/:" else "?" for char in text)
    return f"`{safe}`"


def _settings(settings: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Settings", "")
    yield from (f"- {name}: {_cell(json.dumps(value))}" for name, value in sorted(settings.items()))
    yield ""


_LIMITS = [
    "## Limits",
    "",
    "- What is content and what is not was decided by models and rules, which err; the ledger has every",
    "  line that was dropped, with the rule and the probability.",
    "- Repeated sentences were dropped but for one copy, so that some documents have gaps.",
    "- The texts belong to those who wrote them. Personal data may be in them unless `mask` was set.",
]


# ---------------------------------------------------------------- the dictionary


def data_dictionary() -> str:
    """Markdown: every column of every table."""
    lines = ["# Data dictionary", ""]
    for table in PUBLISHED:
        lines += [f"## {table.name}", "", f"Grain: {table.grain}. Files: `{glob_of(table)}`.", ""]
        lines += ["| column | type | null | meaning |", "|---|---|---|---|"]
        for column in table.columns:
            lines.append(_dictionary_row(column, column.name))
            lines += [_dictionary_row(one, f"{column.name}.{one.name}") for one in column.fields]
        lines.append("")
    return "\n".join(lines)


def _dictionary_row(column: Column, name: str) -> str:
    meaning = column.meaning.replace("|", "\\|")
    return f"| `{name}` | {type_name(column)} | {'yes' if column.nullable else ''} | {meaning} |"


def type_name(column: Column) -> str:
    """The type in a word; the fields of a struct are listed by themselves."""
    if column.fields:
        return f"Struct of {len(column.fields)}"
    if column.dtype == pl.Datetime:
        return "Datetime, UTC"
    return str(column.dtype)


# ---------------------------------------------------------------- DuckDB


def duckdb_views() -> str:
    """SQL: a view a table, and views of what is asked most often."""
    lines = [
        "-- Views of this corpus. In its folder: duckdb -init corpus.sql. From elsewhere, before it:",
        "-- SET VARIABLE corpus = 'path/of/the/corpus';",
        "SET VARIABLE corpus = coalesce(getvariable('corpus'), '.');",
        "",
    ]
    for table in PUBLISHED:
        files = f"getvariable('corpus') || '/{glob_of(table)}'"
        lines += [
            f"CREATE OR REPLACE VIEW {table.name} AS",
            f"FROM read_parquet({files}, hive_partitioning = false);",
        ]
    return "\n".join([*lines, "", *_VIEWS]) + "\n"


_VIEWS = [
    "-- What was removed, by step and rule.",
    "CREATE OR REPLACE VIEW removed_by_rule AS",
    "SELECT step, rule, count(*) AS units, sum(length(before)) AS characters",
    "FROM ledger WHERE action = 'drop' GROUP BY ALL ORDER BY units DESC, step, rule;",
    "",
    "-- Documents that a person should look at first.",
    "CREATE OR REPLACE VIEW doubtful_documents AS",
    "SELECT id, source, url, language, page_type, confidence, n_chars, n_chars_read",
    "FROM documents WHERE confidence IS NOT NULL ORDER BY confidence, id;",
    "",
    "-- Lines the models dropped, the least certain first.",
    "CREATE OR REPLACE VIEW doubtful_drops AS",
    "SELECT source, block, role, probability, before",
    "FROM ledger WHERE rule = 'line-model' ORDER BY probability DESC, source, block;",
    "",
    "-- Each repeat, and the copy that was kept.",
    "CREATE OR REPLACE VIEW repeats AS",
    "SELECT gone.source, gone.block, gone.before, gone.rule, gone.kept_at, kept.text AS kept_text",
    "FROM ledger AS gone LEFT JOIN sentences AS kept ON kept.id = gone.kept_at",
    "WHERE gone.step = 'repeats';",
]


# ---------------------------------------------------------------- Croissant


def croissant() -> dict[str, Any]:
    """The corpus in the vocabulary of MLCommons Croissant 1.0."""
    folder = {
        "@type": "cr:FileObject",
        "@id": "corpus",
        "name": "corpus",
        "description": "the folder of the corpus",
        "contentUrl": ".",
        "encodingFormat": "git+https",
        "sha256": "see manifest.json",
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "corpus",
        "description": "Scraped web pages, cleaned, with a ledger of every line that was removed.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": "https://choosealicense.com/no-permission/",
        "distribution": [folder, *map(_file_set, PUBLISHED)],
        "recordSet": [_record_set(table) for table in PUBLISHED],
    }


def _file_set(table: Table) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table.name}-files",
        "name": f"{table.name}-files",
        "description": f"Parquet files of {table.name}",
        "containedIn": {"@id": "corpus"},
        "encodingFormat": "application/x-parquet",
        "includes": glob_of(table),
    }


def _record_set(table: Table) -> dict[str, Any]:
    plain = [column for column in table.columns if not isinstance(column.dtype, pl.Struct)]
    plain = [column for column in plain if not _holds_structs(column)]
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.grain,
        "field": [_croissant_field(table, column) for column in plain],
    }


def _holds_structs(column: Column) -> bool:
    return isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct)


def _croissant_field(table: Table, column: Column) -> dict[str, Any]:
    is_list = isinstance(column.dtype, pl.List)
    place = f"{table.name}/{column.name}"
    field = {
        "@type": "cr:Field",
        "@id": place,
        "name": place,
        "description": column.meaning,
        "dataType": _croissant_type(
            column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
        ),
        "source": {"fileSet": {"@id": f"{table.name}-files"}, "extract": {"column": column.name}},
    }
    return {**field, "repeated": True} if is_list else field


def _croissant_type(dtype: Any) -> str:
    if dtype == pl.Date:
        return "sc:Date"
    if dtype == pl.Datetime:
        return "sc:DateTime"
    if dtype.is_integer():
        return "sc:Integer"
    if dtype.is_float():
        return "sc:Float"
    return "sc:Text"
