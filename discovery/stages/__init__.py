"""The stages of a round, side by side: each takes nouns and returns one; none imports another."""
