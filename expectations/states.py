"""What became of a corpus, in the words of every report. Imports nothing: lists must come at once."""

PUBLISHED = "published"
REFUSED_BY_GATE = "refused by the gate"
REFUSED_BY_STRICT = "refused by strict"
NOTHING_TO_READ = "nothing to read"
SOUND, UNSOUND = "passes the gate", "fails the gate"  # a check publishes nothing
