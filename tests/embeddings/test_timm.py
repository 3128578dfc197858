"""Backbones of timm, of random weights: the same function as timm's, through every way of use."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from embeddings.errors import OptionError, WeightsError  # noqa: E402
from embeddings.extractors import SpecRequest, find_network, vector_blocks  # noqa: E402
from embeddings.store import open_store  # noqa: E402

CPU = torch.device("cpu")
# A transformer of 14-pixel patches, a residual and a ConvNeXt network, all of them small.
VIT, RESNET, CONVNEXT = "vit_small_patch14_dinov2", "test_resnet", "test_convnext"
MODELS = (pytest.param(VIT, marks=pytest.mark.long), RESNET, CONVNEXT)
BATCH = np.random.default_rng(0).random((2, 1, 56, 84), dtype=np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a function that gives a file of a model's random weights."""
    folder = tmp_path_factory.mktemp("timm")

    def make(model):
        file = folder / f"{model}.pth"
        if not file.exists():
            torch.manual_seed(0)
            torch.save(timm.create_model(model).state_dict(), file)
        return file

    return make


def make_extractor(model, file, **request):
    name = f"timm:{model}"
    plugin = find_network(name)
    request = {"weights": str(file), "precision": "float32"} | request
    spec = plugin.make_spec(SpecRequest(name=name, **request))
    return plugin.load(spec, plugin.read_weights(name, str(file)), CPU)


@pytest.mark.parametrize("model", MODELS)
def test_maps_are_timms_own(model, weights):
    extractor = make_extractor(model, weights(model))
    features = timm.create_model(model, features_only=model is not VIT, **_any_size(model)).eval()
    state = torch.load(weights(model), weights_only=True)
    config = features.pretrained_cfg
    mean, std = (np.reshape(config[key], (3, 1, 1)) for key in ("mean", "std"))
    pixels = torch.from_numpy(((BATCH - mean) / std).astype(np.float32))
    ours = extractor.feature_maps(BATCH)
    with torch.inference_mode():
        if model is VIT:
            features.load_state_dict(state)
            places = [int(layer.removeprefix("blocks.")) for layer in extractor.spec.layers]
            theirs = features.get_intermediate_layers(pixels, places, reshape=True, norm=True)
        else:
            state = {key.replace("stages.", "stages_"): value for key, value in state.items()}
            state = {key.replace("stem.", "stem_"): value for key, value in state.items()}
            features.load_state_dict(state, strict=False)
            theirs = features(pixels)[-len(ours) :]
    for one, other in zip(ours.values(), theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def _any_size(model):
    return {"dynamic_img_size": True} if model is VIT else {}


def test_the_patch_size_is_the_models(weights):
    spec = make_extractor(VIT, weights(VIT)).spec
    assert (f"timm:{VIT}", 14, 224, 768) == (spec.name, spec.cell, spec.input_size, spec.dim)
    assert (768,) == vector_blocks(spec)
    assert 32 == make_extractor(RESNET, weights(RESNET)).spec.cell


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("pooling", ["max", "defect"])
def test_a_store_is_made_and_goes_on(extract, make_images, weights, tmp_path, model, pooling):
    store, small = tmp_path / "store", ("--size", "56", "--fit", "aspect", "--batch-size", "2")
    images = make_images(n=3)
    words = (images, "--store", store, "--weights", weights(model))
    ran = extract(*words, "--pooling", pooling, *small, extractor=f"timm:{model}")
    assert (0, True) == (ran.code, "computed 3" in ran.last), ran.err
    make_images(n=1, first=3)
    ran = extract(*words, "--batch-size", "2", extractor=None)
    assert (0, True) == (ran.code, "computed 1, reused 3" in ran.last), ran.err
    vectors = open_store(store).load_vectors()
    assert (4, vectors.spec.dim) == vectors.values.shape
    assert (pooling, f"timm:{model}") == (vectors.spec.pooling, vectors.spec.name)


def test_types_are_discovered_with_it(make_images, weights, tmp_path):
    from discovery import RoundOptions, discover_types
    from embeddings.extract import ExtractOptions

    extract = ExtractOptions(
        extractor=f"timm:{VIT}", weights=str(weights(VIT)), size=56, batch_size=4
    )
    options = RoundOptions(extract=extract)
    found = discover_types(make_images(n=12), tmp_path / "run", options=options)
    assert 12 == len(found.run.load_images())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timm", "--extractor timm: expected auto, .*timm:NAME"),
        ("timm:no_such_net", "--extractor timm:no_such_net: timm .* has no model of that name"),
    ],
)
def test_a_name_that_is_not_there_is_refused(extract, make_images, tmp_path, name, text):
    ran = extract(make_images(n=1), "--store", tmp_path / "s", "--weights", "w.pth", extractor=name)
    assert (2, True) == (ran.code, re.search(text, ran.error) is not None), ran.error


def test_sides_that_a_transformer_does_not_take_are_one_line(
    extract, make_images, weights, tmp_path
):
    words = ("--weights", weights(VIT), "--size", "60", "--batch-size", "1")
    ran = extract(make_images(n=1), "--store", tmp_path / "s", *words, extractor=f"timm:{VIT}")
    assert (2, True) == (ran.code, "does not take pictures of 60 x 60 pixels" in ran.error)


def test_weights_of_another_model_are_refused(weights):
    with pytest.raises(WeightsError, match="does not fit timm:test_convnext: "):
        make_extractor(CONVNEXT, weights(RESNET))


def test_weights_that_cannot_be_downloaded_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"the download of timm/\S+ failed .*; pass --weights"):
        find_network("timm:resnet18").locate_weights("timm:resnet18", "pretrained")


def test_a_layer_that_the_model_does_not_have_is_refused(weights):
    with pytest.raises(OptionError, match="--layers layer9: expected one or more of act1, layer1"):
        make_extractor(RESNET, weights(RESNET), layers=("layer9",))
