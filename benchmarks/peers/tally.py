"""Documents and characters of the column `text` of all Parquet files below a folder, as JSON.

python -m benchmarks.peers.tally FOLDER
"""

from __future__ import annotations

import json
import sys

import polars as pl


def main() -> None:
    text = pl.scan_parquet(f"{sys.argv[1]}/**/*.parquet", hive_partitioning=False).select("text")
    left = text.select(documents=pl.len(), characters=pl.col("text").str.len_chars().sum()).collect()
    print(json.dumps(left.row(0, named=True)))


if __name__ == "__main__":
    main()
