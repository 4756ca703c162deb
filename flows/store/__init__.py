"""Where a corpus lies: the output folder, a bucket, and what is remembered of runs."""
