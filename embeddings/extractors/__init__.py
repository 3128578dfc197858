"""The extractors: each is one module of this package, and describes itself.

A module is found by walking the package's ``__path__``: what it calls ``EXTRACTOR`` is an
`ExtractorPlugin`. A name with an argument, ``timm:NAME``, belongs to the extractor before the
colon. Modules here are imported by every command that has `--extractor`, and so load neither
torch nor scikit-image before they compute.
"""

import pkgutil
from importlib import import_module

from embeddings.errors import OptionError
from embeddings.extractors.network import NetworkPlugin
from embeddings.extractors.plugin import NETWORK_OPTIONS, Extractor, ExtractorPlugin, SpecRequest
from embeddings.records import ExtractorSpec

__all__ = [
    "AUTO",
    "NETWORK_OPTIONS",
    "Extractor",
    "ExtractorPlugin",
    "NetworkPlugin",
    "SpecRequest",
    "compared_layers",
    "find_extractor",
    "find_network",
    "list_extractors",
    "vector_blocks",
]

AUTO = ("resnet50", "lite")  # what `--extractor auto` tries, the best first


def list_extractors() -> dict[str, ExtractorPlugin]:
    """Return every extractor by its name, in alphabetical order."""
    # Walked each time: a folder may have been put on the path since, and modules are cached.
    found = [
        getattr(import_module(f"{__name__}.{module.name}"), "EXTRACTOR", None)
        for module in pkgutil.iter_modules(__path__)
    ]
    plugins = [one for one in found if one is not None]
    return {one.name: one for one in sorted(plugins, key=lambda one: one.name)}


def find_extractor(name: str) -> ExtractorPlugin:
    """Return the extractor that a name belongs to, such as ``resnet50`` or ``timm:vit_base``.

    Raises
    ------
    OptionError
        There is none, its argument is missing, or it takes none.
    """
    plugins = list_extractors()
    base, colon, argument = name.partition(":")
    plugin = plugins.get(base)
    if plugin is None or bool(colon) != bool(argument) or bool(argument) != bool(plugin.argument):
        usages = [one.usage for one in plugins.values()]
        raise OptionError(f"--extractor {name}: expected auto, {', '.join(usages)}")
    return plugin


def find_network(name: str) -> NetworkPlugin:
    """Return the extractor that a name belongs to, which must be a network.

    Raises
    ------
    OptionError
        There is none, or it has no feature maps.
    """
    plugin = find_extractor(name)
    if not isinstance(plugin, NetworkPlugin):
        raise OptionError(f"--extractor {name} has no feature maps: expected a network")
    return plugin


def compared_layers(spec: ExtractorSpec) -> tuple[str, ...]:
    """Return the layers that patches are made of; a deep one beside them is not compared."""
    deep = _find_deep(spec)
    return tuple(layer for layer in spec.layers if layer != deep)


def vector_blocks(spec: ExtractorSpec) -> tuple[int, ...]:
    """Return the lengths of a vector's parts that are of different kinds; they add up to dim."""
    deep = _find_deep(spec)
    if not deep:
        return (spec.dim,)
    width = find_network(spec.name).channels(spec.name)[deep]
    return spec.dim - width, width


def _find_deep(spec: ExtractorSpec) -> str:
    """Return the layer that is pooled beside the compared ones; empty where there is none."""
    if spec.pooling != "residual" or len(spec.layers) == 1:
        return ""
    deep = find_network(spec.name).deep_layer
    return deep if deep in spec.layers else ""
