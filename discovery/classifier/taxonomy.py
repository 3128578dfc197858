"""The tree of types that the hierarchical classifier learns, made from label paths.

    taxonomy = Taxonomy.from_labels(["defect/small/particle", "defect/large", "no_defect"])
    taxonomy.decision_nodes()  # ("", "defect"): where the cascade has to choose

A label may stop at any node: `defect/large` says no more than that. `make_default_taxonomy` is
the reference tree of four stacked levels.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

from discovery.records.labels import find_label_fault, tidy_label
from embeddings.errors import HandoffError
from embeddings.plurals import tell_count

ROOT: Final = ""
NO_DEFECT: Final = "no_defect"  # the normal class
DEFAULT_DEFINITIONS: Final[Mapping[str, str]] = {
    NO_DEFECT: "nothing is wrong with the pattern or the film",
    "defect": "something is wrong; its size may be all that can be told",
    "defect/large": "seen without enhancement",
    "defect/small": "near the size of the pattern or of the noise: seen after enhancement",
    "defect/large/large_particle": "a foreign body wider than the pattern's pitch",
    "defect/small/particle": "a foreign body of a few pixels",
}


def split_path(label: str) -> tuple[str, ...]:
    """Split a label path into its parts; the root has none."""
    return tuple(label.split("/")) if label else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """A tree of types with definitions; made by `from_labels`.

    Attributes
    ----------
    nodes : tuple of str
        The path of each node, ancestors included, sorted. The root, whose path is the empty
        string, is in every tree and not listed.
    definitions : mapping of str to str
        What a node means, where that was said.
    """

    nodes: tuple[str, ...]
    definitions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Sorted and unique: two trees of the same labels are equal, and hash alike in a file.
        if not self.nodes or list(self.nodes) != sorted(set(self.nodes)):
            raise ValueError("nodes are empty, unsorted or there twice: use from_labels")
        known = {ROOT, *self.nodes}
        if orphans := [node for node in self.nodes if self.parent(node) not in known]:
            raise ValueError(f"{orphans[0]!r} has no parent in the tree: use from_labels")
        if strangers := [node for node in self.definitions if node not in known]:
            raise ValueError(f"{strangers[0]!r} is defined and not in the tree")

    @classmethod
    def from_labels(
        cls, labels: Iterable[str], *, definitions: Mapping[str, str] | None = None
    ) -> "Taxonomy":
        """Make the tree of all labels and their ancestors.

        Parameters
        ----------
        labels : iterable of str
            In any order, repeated or not; blanks around the parts are dropped.
        definitions : mapping of str to str, optional
            Those of types outside the tree (a type that no image bears) and empty ones are left
            out.

        Raises
        ------
        HandoffError
            There is no label, or one cannot be a label: verdicts (unknown, undecided) are never
            learned.
        """
        tidy = {tidy_label(label) for label in labels}
        if not tidy:
            raise HandoffError("no label came, expected at least one: label some images first")
        for label in sorted(tidy):
            if fault := find_label_fault(label):
                raise HandoffError(fault)
        # Sorted by the text, where "a-b" and "a!" may stand between "a" and "a/b": no order of
        # depth is meant, only that a parent stands before its children.
        nodes = sorted({node for label in tidy for node in _list_prefixes(label)})
        given = {tidy_label(node): text.strip() for node, text in (definitions or {}).items()}
        kept = {node: given[node] for node in nodes if given.get(node)}
        return cls(nodes=tuple(nodes), definitions=kept)

    def __contains__(self, node: object) -> bool:
        return node == ROOT or node in self.nodes

    @property
    def leaves(self) -> tuple[str, ...]:
        """The nodes without children."""
        inner = {self.parent(node) for node in self.nodes}
        return tuple(node for node in self.nodes if node not in inner)

    @property
    def depth(self) -> int:
        """Number of levels: parts of the longest path."""
        return max(len(split_path(node)) for node in self.nodes)

    def children(self, node: str) -> tuple[str, ...]:
        """Return the nodes right below one, sorted; none below a leaf.

        Raises
        ------
        ValueError
            The node is not in the tree.
        """
        if node not in self:
            raise ValueError(f"{node!r} is not in the tree")
        return tuple(other for other in self.nodes if self.parent(other) == node)

    def parent(self, node: str) -> str:
        """Return the node right above one, which need not be in the tree.

        Raises
        ------
        ValueError
            The node is the root.
        """
        if node == ROOT:
            raise ValueError("the root has no parent")
        return node.rpartition("/")[0]

    def ancestors(self, label: str) -> tuple[str, ...]:
        """Return the nodes from depth 1 to the label itself, which need not be in the tree."""
        return _list_prefixes(label)

    def level(self, d: int) -> tuple[str, ...]:
        """Return the nodes at depth d, the root's children being at depth 1."""
        return tuple(node for node in self.nodes if len(split_path(node)) == d)

    def truncate(self, label: str, depth: int) -> str:
        """Return the label's ancestor at a depth, or the label where it is no deeper."""
        if depth < 0:
            raise ValueError(f"depth is {depth}, expected 0 or more")
        return "/".join(split_path(label)[:depth])

    def locate(self, label: str) -> str:
        """Return the node that stands for a label of another tree; "" for a type that is not here.

        Where the label is finer than a leaf, the leaf is right; where it branches off above the
        leaves, it is another type.
        """
        inside = [node for node in self.ancestors(label) if node in self]
        # "a/pit/deep" is a pit where a/pit is a leaf; "a/void" is none of the types below a.
        is_here = bool(inside) and (inside[-1] == label or not self.children(inside[-1]))
        return inside[-1] if is_here else ""

    def decision_nodes(self) -> tuple[str, ...]:
        """Return the nodes with two or more children, from the root down: there is a choice."""
        inner = [node for node in (ROOT, *self.nodes) if len(self.children(node)) > 1]
        return tuple(sorted(inner, key=lambda node: (len(split_path(node)), node)))

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as JSON can hold it."""
        return {"nodes": list(self.nodes), "definitions": dict(self.definitions)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Taxonomy":
        """Read what `to_dict` gave.

        Raises
        ------
        HandoffError
            It does not hold a tree.
        """
        nodes, definitions = data.get("nodes"), data.get("definitions", {})
        if not _is_text(nodes) or not isinstance(definitions, Mapping):
            raise HandoffError("the taxonomy has no list of nodes: write it anew with to_dict")
        if not _is_text([*definitions, *definitions.values()]):
            raise HandoffError("the taxonomy has a definition that is no text")
        # Checked as labels are: a file may have been written by hand.
        return cls.from_labels(nodes, definitions=definitions)

    def draw(self) -> str:
        """Draw the tree as indented text, one node a line, its definition behind it."""
        return "\n".join(self._draw_below(ROOT, 0))

    def _draw_below(self, node: str, indent: int) -> list[str]:
        lines = []
        for child in self.children(node):
            meaning = self.definitions.get(child, "")
            lines.append(
                "  " * indent + split_path(child)[-1] + (f": {meaning}" if meaning else "")
            )
            lines += self._draw_below(child, indent + 1)
        return lines


def check_types(taxonomy: Taxonomy, images: int) -> None:
    """Refuse labels of so many images that leave nothing to tell apart.

    Raises
    ------
    HandoffError
        There is one type.
    """
    if not taxonomy.decision_nodes():
        raise HandoffError(
            f"the labels hold one type ({taxonomy.leaves[0]}, {tell_count(images, 'image')}), "
            "expected two or more: name another cluster, or label some images no_defect"
        )


def make_default_taxonomy(
    types: Iterable[str] = (), *, definitions: Mapping[str, str] | None = None
) -> Taxonomy:
    """Make the reference tree: defect or not, large or small, then the final classes.

    The reference system stacks four levels, which map on the tree so:

    ===== ========================================= ===============================
    level what it does                              here
    ===== ========================================= ===============================
    L1    defect or no defect                       depth 1
    L2    large, small or unknown                   depth 2; unknown is a verdict
    L3    image processing of what is noisy         no depth: `enhance.pass_gate`
          or small, and the noise gate              sits between depths 2 and 3
    L4    the final class                           depth 3
    ===== ========================================= ===============================

    Parameters
    ----------
    types : iterable of str
        Further types as label paths below `defect`, such as ``defect/small/scratch``.
    definitions : mapping of str to str, optional
        They win over the reference tree's own.

    Raises
    ------
    HandoffError
        A type is no label, or lies outside the reference tree.
    """
    named = [tidy_label(label) for label in types]
    # A fault of the label itself is named by `from_labels`.
    for label in named:
        if not find_label_fault(label) and split_path(label)[0] not in ("defect", NO_DEFECT):
            raise HandoffError(
                f"{label!r} is neither below defect nor no_defect: write it as "
                f"defect/small/{split_path(label)[-1]}, or make another tree from the labels"
            )
    return Taxonomy.from_labels(
        [*DEFAULT_DEFINITIONS, *named], definitions={**DEFAULT_DEFINITIONS, **(definitions or {})}
    )


def _list_prefixes(label: str) -> tuple[str, ...]:
    parts = split_path(label)
    return tuple("/".join(parts[: end + 1]) for end in range(len(parts)))


def _is_text(values: object) -> TypeGuard[list[str] | tuple[str, ...]]:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
