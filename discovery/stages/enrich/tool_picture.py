"""Proposals that follow one tool: they may be the tool's picture, and not a defect.

Pictures of one microscope look alike: by its detector, its focus, its contrast, or the text it
writes into them. A group of images that come nearly all from one, where others took pictures too,
may be that and nothing else. It may be a defect that this tool makes, too: so it is a warning.
"""

from collections.abc import Sequence

from discovery.stages.enrich.records import Association

# As fabs and microscopes call what took, or made, the picture.
TOOL_NAMES = frozenset(
    {"tool", "tool_id", "toolid", "microscope", "sem", "instrument", "device_name", "equipment",
     "equipment_id", "equipmentid", "machine", "inspection_tool", "inspectionstationid",
     "inspection_station", "station", "review_tool", "detector", "recipe", "recipe_id", "recipeid",
     "inspection_recipe"}
)  # fmt: skip
_NEARLY_ALL = 0.9  # of a proposal's images
_ELSEWHERE = 0.6  # of all others, at most: else nearly all images are of that tool
_LEAST_ODDS = 10.0  # beside the test, which a large lot passes with a small effect


def warn_of_tool(found: Sequence[Association]) -> str:
    """Return a warning where a proposal follows one tool, microscope or recipe; else nothing.

    Parameters
    ----------
    found : sequence of Association
        Of one cluster: over-represented beyond chance, the false discovery rate held over all
        tests of the run; strongest first.
    """
    for one in found:
        column = next((name for name in (one.column, *one.same_as) if _is_tool(name)), None)
        if column is None or one.kind != "value" or not one.rest:
            continue
        follows = one.share_in >= _NEARLY_ALL and one.share_out <= _ELSEWHERE
        if follows and one.effect >= _LEAST_ODDS:
            what = "recipe" if "recipe" in column.lower() else "tool"
            return (
                f"may be the picture of one {what} and not a defect: {one.count} of {one.size} "
                f"images come from {column} {one.value}, {one.others} of {one.rest} of all others"
            )
    return ""


def _is_tool(name: str) -> bool:
    return name.strip().lower().replace(" ", "_").replace("-", "_") in TOOL_NAMES
