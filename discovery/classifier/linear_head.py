"""A linear head over standardised features, for fine-tuning."""

import torch
from torch import nn

# Of the usual spread of a column: those that hardly vary must not be blown up once they do.
_LEAST_SPREAD = 0.1


class LinearHead(nn.Module):
    """Features, each column standardised, to the logits of all classes."""

    def __init__(self, rows: torch.Tensor, classes: int) -> None:
        super().__init__()
        spread = rows.std(dim=0)
        self.mean = rows.mean(dim=0)
        self.spread = spread.clamp(min=_LEAST_SPREAD * float(spread.median().clamp(min=1e-8)))
        self.linear = nn.Linear(rows.shape[1], classes, device=rows.device)
        for part in self.linear.parameters():  # zeros: nothing random, and no class is preferred
            nn.init.zeros_(part)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, classes) of rows (n, d)."""
        logits: torch.Tensor = self.linear((rows - self.mean) / self.spread)
        return logits
