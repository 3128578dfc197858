"""The clusterers of a round, one module each: options, how it is built, the rows it wants.

A module that is put here is a subcommand of `discovery.cluster`; `base` says what it must hold.
"""
