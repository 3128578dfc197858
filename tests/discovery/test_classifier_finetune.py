"""Fine-tuning changes layer4's convolutions, and only where held-out images gain by it."""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import resnet50

from discovery.classifier.finetune import finetune_stage
from discovery.classifier.frozen_maps import MapPlan, gather_maps
from discovery.classifier.last_stage import LastStage
from discovery.classifier.options import FineTuneOptions
from discovery.runs.checkpoint import Checkpoint
from embeddings.errors import HandoffError, OptionError
from embeddings.extractors.resnet50 import EXTRACTOR as RESNET50
from embeddings.networks.features import pool_maps
from embeddings.records import ExtractorSpec
from embeddings.weights import Weights

CPU = torch.device("cpu")
N, COPIES, SIDE = 12, 2, 64
MAP_BYTES = 4 * 4 * 1024 * 2  # of one picture of 64 x 64, in bf16
HELD_OUT = np.arange(N) % 3 == 0
TARGETS = np.arange(N) % 2
ONES = np.ones(N, np.float32)
QUICK = FineTuneOptions(
    epochs_head=1, epochs_stage=2, learning_rate_head=3e-5, learning_rate_stage=3e-6,
    batch_size=4, pictures=8, held_out_copies=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def tensors():
    """Return the state dict of a network that has seen nothing, batch norm included."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        state = resnet50().state_dict()
        for value in state.values():
            if value.ndim == 1 and value.is_floating_point():
                value.uniform_(0.5, 1.0)  # scales, shifts and variances that do something
    return RESNET50.check_tensors("resnet50", state, label="random")


def make_a_spec(pooling="max", layers=("layer3", "layer4")):
    dim = RESNET50.count_channels("resnet50", layers)
    return ExtractorSpec(
        name="resnet50",
        weights="random",
        weights_sha256="0" * 64,
        layers=layers,
        pooling=pooling,
        dim=dim,
    )


def draw_pictures():
    """Draw stripes of two widths, (n, copies, 1, h, w)."""
    rng = np.random.default_rng(0)
    columns = np.arange(SIDE)
    pictures = rng.uniform(0, 0.3, (N, COPIES, 1, SIDE, SIDE))
    for i, target in enumerate(TARGETS):
        pictures[i] += 0.6 * (columns // (2 + 6 * target) % 2)
    return pictures.astype(np.float32)


PICTURES = draw_pictures()


def tune(tensors, *, batch=5, options=QUICK, **given):
    """Fine-tune on pictures that come batch by batch."""
    arguments = {
        "held_out": HELD_OUT,
        "spec": make_a_spec(),
        "targets": TARGETS,
        "weights": ONES,
        **given,
    }
    return finetune_stage(
        (PICTURES[i : i + batch] for i in range(0, N, batch)),
        arguments.pop("targets"),
        arguments.pop("weights"),
        tensors=tensors,
        options=options,
        device=CPU,
        **arguments,
    )


def find_changed(before, after):
    assert set(before) == set(after)
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.fixture(scope="module")
def tuned(tensors):
    before = {name: value.clone() for name, value in tensors.items()}
    done = tune(tensors)
    assert find_changed(before, tensors) == set()  # what came is not touched
    return done


def test_only_the_last_stages_convolutions_change(tensors, tuned):
    changed = find_changed(tensors, tuned.tensors)
    assert tuned.best_epoch > 0
    assert changed
    assert {name.split(".")[0] for name in changed} == {"layer4"}
    assert {tensors[name].ndim for name in changed} == {4}  # batch norm has one axis
    RESNET50.check_tensors("resnet50", tuned.tensors, label="tuned")


def test_held_out_images_are_answered_no_worse(tuned):
    losses = [line["held_out_loss"] for line in tuned.history]
    assert [0, 1, 2] == [line["epoch"] for line in tuned.history]
    assert math.isnan(tuned.history[0]["loss"])
    assert losses[tuned.best_epoch] == min(losses)
    assert losses[tuned.best_epoch] < losses[0]
    assert 0 <= tuned.p_value < 1


def test_the_same_seed_gives_the_same_stage_and_batches_do_not_matter(tensors, tuned):
    again = tune(tensors, batch=N)
    assert find_changed(tuned.tensors, again.tensors) == set()
    assert str(tuned.history) == str(again.history)  # NaN differs from itself


class Interrupted(Checkpoint):
    """Keeps so many parts, and is interrupted before anything else is done."""

    left = 0

    def save(self, name, arrays, values):
        super().save(name, arrays, values)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


# Kept are the head; of each epoch the best stage and what the next depends on; and the end.
@pytest.mark.parametrize(
    "tries", [(3,), pytest.param((1, 1, 2, 1, 2), marks=pytest.mark.long)], ids=str
)
def test_it_goes_on_after_what_it_kept_and_ends_the_same(tensors, tuned, tmp_path, tries, caplog):
    place = Interrupted(tmp_path / "checkpoint", key="k")
    for place.left in tries:
        with pytest.raises(KeyboardInterrupt):
            tune(tensors, checkpoint=place)
    with caplog.at_level(logging.INFO, "defect-discovery"):
        again = tune(tensors, checkpoint=place)
    assert ("goes on after epoch 1, which was kept" in caplog.text) == (len(tries) == 1)
    assert find_changed(tuned.tensors, again.tensors) == set()
    assert str(tuned.history) == str(again.history)
    assert (tuned.best_epoch, tuned.p_value) == (again.best_epoch, again.p_value)
    assert ["all-epochs.part", "key"] == sorted(path.name for path in place._folder.iterdir())
    # What came of all epochs is all that is needed: the pictures are not looked at again.
    last = finetune_stage(
        iter(()), TARGETS, ONES, held_out=HELD_OUT, tensors=tensors, spec=make_a_spec(),
        device=CPU, checkpoint=place,
    )  # fmt: skip
    assert find_changed(tuned.tensors, last.tensors) == set()


def test_an_absurd_learning_rate_leaves_the_stage_as_it_came(tensors):
    options = replace(QUICK, epochs_head=20, learning_rate_head=1e-3, learning_rate_stage=1e3)
    tuned = tune(tensors, options=replace(options, epochs_stage=6, patience=1))
    assert tuned.best_epoch == 0
    assert len(tuned.history) <= 2  # patience ends it
    assert tuned.p_value == 1
    assert find_changed(tensors, tuned.tensors) == set()


def test_a_loss_that_is_no_number_ends_it(tensors, caplog):
    options = replace(QUICK, learning_rate_stage=1e30, epochs_stage=5, patience=5)
    with caplog.at_level(logging.INFO, "defect-discovery"):
        tuned = tune(tensors, options=options)
    assert tuned.best_epoch == 0
    assert find_changed(tensors, tuned.tensors) == set()
    assert "fine-tuning stops in epoch" in caplog.text


def test_no_time_gives_back_what_came(tensors, caplog):
    with caplog.at_level(logging.WARNING, "defect-discovery"):
        tuned = tune(tensors, options=replace(QUICK, max_minutes=1e-9))
    assert (tuned.best_epoch, tuned.history) == (0, ())
    assert find_changed(tensors, tuned.tensors) == set()
    assert "minutes are too few" in caplog.text


def gather(tensors, pictures=PICTURES, *, spec=None, wanted=None, max_bytes=10**9):
    plan = MapPlan(
        wanted=np.ones(len(pictures), bool) if wanted is None else wanted,
        max_bytes=max_bytes, deadline=math.inf, seed=0,
    )  # fmt: skip
    return gather_maps([pictures], tensors, spec or make_a_spec(), plan=plan, device=CPU)


@pytest.mark.parametrize(
    ("room", "images", "copies"),
    [(2 * N, N, 2), (2 * N - 1, N, 1), (N - 1, N - 1, 1)],
)
def test_maps_take_no_more_memory_than_allowed(tensors, caplog, room, images, copies):
    with caplog.at_level(logging.INFO, "defect-discovery"):
        frozen = gather(tensors, max_bytes=room * MAP_BYTES)
    assert (images, copies, 4, 4, 1024) == tuple(frozen.maps.shape)
    assert frozen.maps.nbytes <= room * MAP_BYTES
    assert frozen.which.tolist() == sorted(set(frozen.which.tolist()))
    assert ("keeps 1 of 2 copies" in caplog.text) == (copies < COPIES)
    assert ("images drawn at random" in caplog.text) == (images < N)


def test_room_for_one_map_is_refused(tensors):
    with pytest.raises(OptionError, match="room for two"):
        gather(tensors, max_bytes=MAP_BYTES)


def test_maps_of_some_images_are_those_of_all(tensors):
    wanted = np.arange(N) % 2 == 1
    every, some = gather(tensors), gather(tensors, wanted=wanted)
    assert np.flatnonzero(wanted).tolist() == some.which.tolist()
    # Another batch is another order of sums.
    torch.testing.assert_close(some.maps, every.maps[some.which], rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "max", "gem"])
def test_features_are_the_extractors(tensors, pooling):
    spec = make_a_spec(pooling, ("layer2", "layer4"))
    weights = Weights(name="random", sha256="0" * 64, tensors=tensors)
    expected = RESNET50.load(spec, weights, CPU)(PICTURES[:2, 0])
    frozen = gather(tensors, PICTURES[:2, :1], spec=spec)
    joined = torch.cat([frozen.before, frozen.last], dim=2)[:, 0].numpy()
    np.testing.assert_allclose(joined / np.sqrt(2), expected, atol=1e-4)


def test_the_stage_is_torchvisions_with_frozen_batch_norm(tensors):
    net = resnet50()
    net.load_state_dict(dict(tensors), strict=False)
    maps = torch.rand(2, 1024, 4, 4, generator=torch.Generator().manual_seed(0))
    stage = LastStage(tensors, device=CPU, dtype=torch.float32)
    with torch.no_grad():
        expected = net.eval().layer4(maps)
        actual = stage(maps)
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3 * float(expected.max()))
    assert find_changed({k: tensors[k] for k in stage.to_tensors()}, stage.to_tensors()) == set()


def test_gradients_reach_every_convolution(tensors):
    stage = LastStage(tensors, device=CPU, dtype=torch.float32)
    pool_maps(stage(torch.rand(2, 1024, 4, 4)), "max").sum().backward()
    assert len(list(stage.parameters())) == 10
    assert all(part.grad is not None and bool(part.grad.any()) for part in stage.parameters())


def test_images_of_weight_0_and_without_a_class_are_not_looked_at(tensors, tuned):
    weights, targets = ONES.copy(), TARGETS.copy()
    weights[1], targets[2] = 0, -1
    without = tune(tensors, weights=weights, targets=targets)
    assert str(without.history) != str(tuned.history)
    targets[1] = 1 - targets[1]  # a wrong label that has no weight
    again = tune(tensors, weights=weights, targets=targets)
    assert str(without.history) == str(again.history)


def test_the_last_stage_must_be_used(tensors):
    with pytest.raises(OptionError, match="layer4"):
        tune(tensors, spec=make_a_spec(layers=("layer3",)))


def test_pooling_must_have_gradients(tensors):
    with pytest.raises(OptionError, match="defect"):
        tune(tensors, spec=make_a_spec(pooling="defect"))


@pytest.mark.parametrize(
    ("targets", "held_out"),
    [(TARGETS, np.zeros(N, bool)), (np.zeros(N, np.intp), HELD_OUT), (TARGETS, TARGETS == 1)],
)
def test_there_must_be_two_types_and_an_image_to_judge_by(tensors, targets, held_out):
    with pytest.raises(HandoffError, match="fine-tuning with"):
        tune(tensors, targets=targets, held_out=held_out)


@pytest.mark.parametrize("count", [N - 1, N + 1])
def test_as_many_images_as_targets_must_come(tensors, count):
    targets = np.arange(count) % 2
    with pytest.raises(ValueError, match="images"):
        tune(
            tensors, targets=targets, weights=np.ones(count, np.float32),
            held_out=np.arange(count) % 3 == 0,
        )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"epochs_stage": 0}, {"learning_rate_stage": math.nan}, {"max_minutes": 0}, {"seed": -1}],
)
def test_options_are_checked(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        FineTuneOptions(**wrong)
