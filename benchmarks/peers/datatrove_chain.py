"""datatrove's chain on a file of JSON lines, one task, in the environment of the peers.

python -m benchmarks.peers.datatrove_chain INPUT FOLDER MODEL drop|carry

drop: each filter drops what it refuses, as anybody would run it. carry: the filters judge, but all
documents go on to the repeats, since ours, too, marks by default. The corpus is FOLDER/corpus, Parquet
with zstd.

The language filter wants lid.176.bin from the network. MODEL is the compressed lid.176.ftz of the same
classifier, which a package of ours carries: datatrove copies any address fsspec can open, a file too.
The other settings are datatrove's, but for three: the stop words are also German, as are two pages of
five; a repeat is one sentence, as ours, not three; what goes between the stages is not packed with gzip.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import SentenceDedupFilter, SentenceDedupSignature, SentenceFindDedups
from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.filters.gopher_quality_filter import STOP_WORDS
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter, ParquetWriter
from datatrove.utils.lid import FT176LID

if TYPE_CHECKING:
    from datatrove.data import Document
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.filters.base_filter import BaseFilter

GERMAN_STOP_WORDS = ["der", "die", "und", "in", "den", "von", "zu", "das", "mit", "sich"]
REPEATS = SentDedupConfig(n_sentences=1)


def carry(step: BaseFilter) -> BaseFilter:
    """The same filter with its verdict unheeded."""
    judge = step.filter

    def judge_and_keep(document: Document) -> bool:
        judge(document)
        return True

    step.filter = judge_and_keep
    return step


def filters() -> list[BaseFilter]:
    """The filters of FineWeb, and C4's."""
    return [
        LanguageFilter(),
        C4QualityFilter(),
        GopherRepetitionFilter(),
        GopherQualityFilter(stop_words=STOP_WORDS + GERMAN_STOP_WORDS),
        FineWebQualityFilter(),
    ]


def run(name: str, folder: Path, steps: list[PipelineStep]) -> None:
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=str(folder / "logs" / name)).run()


def main() -> None:
    source, folder, model, way = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    FT176LID.MODEL_URL = model
    judged, signatures, found = (str(folder / name) for name in ("judged", "signatures", "found"))
    chain = [carry(step) if way == "carry" else step for step in filters()]
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    between = JsonlWriter(judged, compression=None)
    run("filter", folder, [reader, *chain, between, SentenceDedupSignature(signatures, config=REPEATS)])
    run("find", folder, [SentenceFindDedups(signatures, found, config=REPEATS)])
    drop = SentenceDedupFilter(found, config=REPEATS)
    written = ParquetWriter(str(folder / "corpus"), compression="zstd")
    run("dedup", folder, [JsonlReader(judged), drop, written])


if __name__ == "__main__":
    main()
