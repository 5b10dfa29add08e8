"""Looking at the whole of a corpus: pure functions on vectors, tags and texts."""
