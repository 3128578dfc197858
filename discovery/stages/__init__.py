"""The stages of a round, side by side: data classes in, one out; none imports another."""
