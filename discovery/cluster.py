"""The main job: images, or a store, become proposed defect types with evidence and a report.

python -m discovery.cluster IMAGES --out RUN
python -m discovery.cluster IMAGES --out RUN hdbscan --min-cluster-size 20
"""

import sys

from discovery.flow.__main__ import ClusterCommand, run_round
from embeddings.console import run_command

if __name__ == "__main__":
    sys.exit(run_command(run_round, ClusterCommand, prog="python -m discovery.cluster"))
