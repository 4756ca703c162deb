"""Pages a person looks at: the report of a run, and a page with its ledger. No script, no address."""
