"""What counts as a repeat: exact keys and near duplicates."""
