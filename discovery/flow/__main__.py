"""python -m discovery.flow IMAGES --out RUN: one whole round, as far as rounds go today.

A round ends with the proposals, the handoff and the report; python -m discovery.cluster is the
same command.
"""

import sys

from discovery.flow.command import Command, run_round
from embeddings.console import run_command

if __name__ == "__main__":
    sys.exit(run_command(run_round, Command, prog="python -m discovery.flow"))
