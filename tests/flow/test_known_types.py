"""Types already known are set aside, and what one round could not name is the next one's source."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from discovery import RoundOptions, discover_types
from discovery.runs import open_run
from embeddings.errors import HandoffError, InputError, OptionError
from embeddings.extract import ExtractOptions
from embeddings.images import fingerprint_file

TYPES = {"lines": "defect/lines", "blob": "defect/blob"}


def kinds_of(run):
    paths = pd.read_parquet(run / "clustering.parquet")["path"]
    return set(paths.str.extract(r"(\w+)_\d+\.png")[0])


def label(run):
    """Type the names of two kinds into a run's handoff."""
    rows = pd.read_csv(run / "handoff.csv", dtype="str", keep_default_na=False)
    rows["label"] = rows["path"].str.extract(r"(\w+)_\d+\.png")[0].map(TYPES).fillna("")
    rows.to_csv(run / "handoff.csv", index=False)
    return run


def list_known(path, images, *, relative_to=None):
    """Write a plain CSV of path and label for the pictures of two kinds."""
    rows = [
        (image.relative_to(relative_to) if relative_to else image, TYPES[kind])
        for image in sorted(images)
        if (kind := image.name.split("_")[0]) in TYPES
    ]
    pd.DataFrame(rows, columns=["path", "label"]).astype("str").to_csv(path, index=False)
    return path


@pytest.fixture
def small(cheap):
    """Two clusters: what is left when two of four kinds are known."""
    return replace(cheap, clusterer=replace(cheap.clusterer, n_clusters=2))


def with_known(options, known, **extract):
    return replace(options, known=known, extract=replace(options.extract, **extract))


@pytest.mark.parametrize("form", ["handoff.csv", "handoff.json", "folder"])
def test_a_handoff_sets_its_types_aside(form, four, pictures, copy, tmp_path, small):
    known = label(copy(four))
    given = known if form == "folder" else known / form
    out = tmp_path / "out"
    found = discover_types(pictures / "images", out, options=with_known(small, given))
    assert (30, {"waves", "checks"}) == (found.images, kinds_of(out))
    proposals = open_run(out).load_proposals()
    assert {1} == {proposal.novelty for proposal in proposals}
    assert {proposal.nearest_known for proposal in proposals} <= set(TYPES.values())


def test_a_plain_table_beside_its_images(pictures, tmp_path, small):
    source = shutil.copytree(pictures / "images", tmp_path / "images")
    known = list_known(tmp_path / "known.csv", source.iterdir(), relative_to=tmp_path)
    out = tmp_path / "out"
    discover_types(source, out, options=with_known(small, known))
    assert {"waves", "checks"} == kinds_of(out)


def test_a_store_as_source(finished, pictures, tmp_path, small, caplog):
    known = list_known(tmp_path / "known.csv", (pictures / "images").iterdir())
    known.write_text(known.read_text().replace("defect/lines", "Defect/blob"))
    out = tmp_path / "out"
    options = RoundOptions(clusterer=small.clusterer, known=known)
    discover_types(finished / "store", out, options=options)
    assert {"waves", "checks"} == kinds_of(out)
    assert "known.csv: labels that are nearly the same" in caplog.text
    assert "'Defect/blob' and 'defect/blob'" in caplog.text


def test_known_images_outside_the_source_are_embedded_too(pictures, tmp_path, draw_more, small):
    # The source has other pictures of a known kind, and one kind nobody has named.
    source = tmp_path / "source"
    source.mkdir()
    for path in (pictures / "images").iterdir():
        if path.name.startswith(("waves", "blob")):
            shutil.copy(path, source)
    outside = draw_more("blob", 15) + draw_more("lines", 15)
    known = list_known(tmp_path / "known.csv", outside)
    out = tmp_path / "out"
    options = replace(with_known(small, known), keep_matches=True)
    found = discover_types(source, out, options=options)
    assert (30, {"waves", "blob"}) == (found.images, kinds_of(out))
    assert "computed 30, reused 0, quarantined 0, ignored 0" == found.counts
    by_kind = {}
    images = pd.read_parquet(out / "clustering.parquet").set_index("image_id")["path"]
    for proposal in open_run(out).load_proposals():
        by_kind[images[proposal.medoid].rsplit("/", 1)[1].split("_")[0]] = proposal
    assert 1 == by_kind["waves"].novelty
    assert by_kind["blob"].novelty < 0.5
    assert "defect/blob" == by_kind["blob"].nearest_known
    assert 1 == by_kind["waves"].rank  # the new one is shown first


def test_moved_known_images_are_found_by_content(four, pictures, copy, tmp_path, small):
    known = label(copy(four))
    moved = tmp_path / "moved"
    moved.mkdir()
    for place, path in enumerate(sorted((pictures / "images").iterdir())):
        shutil.copy(path, moved / f"{path.name.split('_')[0]}_{place + 100}.png")
    rows = pd.read_csv(known / "handoff.csv", dtype="str", keep_default_na=False)
    rows["path"] = "/no/such/" + rows["path"].str.rsplit("/", n=1).str[-1]
    rows.to_csv(tmp_path / "known.csv", index=False)
    out = tmp_path / "out"
    discover_types(moved, out, options=with_known(small, tmp_path / "known.csv"))
    assert {"waves", "checks"} == kinds_of(out)


def test_missing_known_images_are_left_out_and_those_there_count(pictures, tmp_path, small):
    known = list_known(tmp_path / "known.csv", (pictures / "images").glob("lines*"))
    with known.open("a") as file:
        file.write("gone/a.png,defect/gone\ngone/b.png,defect/lines\n")
    out = tmp_path / "out"
    found = discover_types(pictures / "images", out, options=with_known(small, known))
    assert 45 == found.images
    assert {"defect/lines"} == {p.nearest_known for p in open_run(out).load_proposals()}


def test_a_known_image_that_cannot_be_read_is_quarantined_but_not_of_the_source(
    pictures, tmp_path, small
):
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    known = list_known(tmp_path / "known.csv", (pictures / "images").glob("lines*"))
    with known.open("a") as file:
        file.write("broken.png,defect/broken\n")
    found = discover_types(pictures / "images", tmp_path / "out", options=with_known(small, known))
    assert "computed" in found.counts
    assert "quarantined 0" in found.counts
    assert 45 == found.images


def test_none_of_the_known_images_is_there(finished, pictures, tmp_path, small):
    (tmp_path / "known.csv").write_text("path,label\ngone.png,defect/gone\n")
    options = with_known(small, tmp_path / "known.csv")
    with pytest.raises(HandoffError, match="none of its 1 labelled images"):
        discover_types(pictures / "images", tmp_path / "out", options=options)


def test_a_known_image_of_two_types_is_refused(finished, pictures, tmp_path):
    one, other = sorted((pictures / "images").glob("lines*"))[:2]
    shutil.copy(one, tmp_path / "copy.png")
    text = f"path,label\n{one},defect/lines\n{other},defect/lines\ncopy.png,defect/blob\n"
    (tmp_path / "known.csv").write_text(text)
    options = RoundOptions(known=tmp_path / "known.csv")
    with pytest.raises(HandoffError, match=r"one image has two labels, 'defect/lines' .*copy\.png"):
        discover_types(finished / "store", tmp_path / "out", options=options)


def test_all_images_are_known(finished, pictures, tmp_path):
    known = tmp_path / "known.csv"
    paths = sorted(str(path) for path in (pictures / "images").iterdir())
    pd.DataFrame({"path": paths, "label": "one"}).to_csv(known, index=False)
    with pytest.raises(HandoffError, match="all 60 images have a known type"):
        discover_types(finished / "store", tmp_path / "out", options=RoundOptions(known=known))


@pytest.mark.parametrize("form", ["handoff.csv", "handoff.json", ""])
def test_a_run_cannot_set_its_own_labels_aside(form, four, finished, copy):
    run = label(copy(four))
    before = (run / "handoff.csv").read_bytes()
    with pytest.raises(OptionError, match="itself"):
        discover_types(finished / "store", run, options=RoundOptions(known=run / form))
    assert before == (run / "handoff.csv").read_bytes()


def test_new_known_types_remake_the_run_and_the_same_ones_do_not(
    finished, pictures, tmp_path, small, watch
):
    known = list_known(tmp_path / "known.csv", (pictures / "images").glob("lines*"))
    options = RoundOptions(clusterer=small.clusterer, known=known)
    out = tmp_path / "out"
    discover_types(finished / "store", out, options=options)
    once = len(watch())
    discover_types(finished / "store", out, options=options)
    assert once == len(watch())
    # Another name changes no cluster, only what is said of it.
    known.write_text(known.read_text().replace("defect/lines", "defect/stripes"))
    discover_types(finished / "store", out, options=options)
    remade = [
        "matched.csv", "associations.csv", "proposals.csv", "lineage.npz", "pictures.npz",
        "types.csv", "types.xlsx", "facts.json", "report.html",
    ]  # fmt: skip
    assert remade == watch()[once:]


# --- only ---


@pytest.mark.parametrize("source", ["store", "folder"])
def test_only_what_could_not_be_named(source, finished, pictures, tmp_path, cheap):
    paths = sorted((pictures / "images").iterdir())
    verdicts = {"lines": "named", "waves": "unknown", "blob": "undecided", "checks": "named"}
    rows = [(fingerprint_file(path), path, verdicts[path.name.split("_")[0]]) for path in paths]
    only = tmp_path / "assigned.csv"
    pd.DataFrame(rows, columns=["image_id", "path", "verdict"]).to_csv(only, index=False)
    options = RoundOptions(
        clusterer=cheap.clusterer,
        extract=ExtractOptions(only=only, extractor="texture" if source == "folder" else "auto"),
    )
    given = finished / "store" if source == "store" else pictures / "images"
    found = discover_types(given, tmp_path / "out", options=options)
    assert (30, {"waves", "blob"}) == (found.images, kinds_of(tmp_path / "out"))
    computed, reused, *_ = map(int, re.findall(r"\d+", found.counts))
    assert 30 == computed + reused


def test_only_by_path_on_a_store(finished, pictures, tmp_path, cheap):
    wanted = sorted((pictures / "images").glob("checks*"))
    pd.DataFrame({"path": wanted}).astype("str").to_csv(tmp_path / "only.csv", index=False)
    options = RoundOptions(
        clusterer=cheap.clusterer, extract=ExtractOptions(only=tmp_path / "only.csv")
    )
    found = discover_types(finished / "store", tmp_path / "out", options=options)
    assert (15, {"checks"}) == (found.images, kinds_of(tmp_path / "out"))
    assert "computed 0, reused 15, quarantined 0, ignored 0" == found.counts


def test_only_of_images_that_are_elsewhere(finished, tmp_path):
    (tmp_path / "only.csv").write_text("image_id\n0123456789abcdef\n")
    options = RoundOptions(extract=ExtractOptions(only=tmp_path / "only.csv"))
    with pytest.raises(OptionError, match="none of its images"):
        discover_types(finished / "store", tmp_path / "out", options=options)


# --- images that match a known type ---


@pytest.fixture(scope="module")
def crowd(drawing, tmp_path_factory):
    """Sixty known blobs, and a source of other blobs and of one kind nobody has named."""
    root = tmp_path_factory.mktemp("crowd")
    known = drawing(root / "known", "blob", 60, 200)
    drawing(root / "source", "blob", 40, 300)
    drawing(root / "source", "waves", 20, 400)
    table = root / "known.csv"
    pd.DataFrame({"path": known, "label": "defect/blob"}).astype("str").to_csv(table, index=False)
    return root


def run_crowd(crowd, out, **given):
    options = RoundOptions(
        known=crowd / "known.csv", extract=ExtractOptions(extractor="texture"), **given
    )
    return discover_types(crowd / "source", out, options=options)


def test_what_matches_a_known_type_is_set_aside_and_named(crowd, tmp_path):
    out = tmp_path / "out"
    found = run_crowd(crowd, out)
    rows = pd.read_csv(out / "matched.csv", dtype="str", keep_default_na=False)
    assert 60 == len(rows)
    is_named = rows["verdict"] == "named"
    assert {"defect/blob"} == set(rows.loc[is_named, "label"])
    assert {""} == set(rows.loc[~is_named, "label"])
    assert rows.loc[is_named, "path"].str.contains("blob").mean() >= 0.95
    assert is_named.sum() > 20
    assert found.images == 60 - is_named.sum()
    page = (out / "report.html").read_text("utf-8")
    assert "of known types, set aside" in page
    assert "Set aside: known types" in page


def test_a_user_may_keep_what_matches(crowd, tmp_path):
    out = tmp_path / "out"
    assert 60 == run_crowd(crowd, out, keep_matches=True).images
    assert not (out / "matched.csv").exists()


def test_where_all_is_known_nothing_is_to_be_discovered(crowd, tmp_path):
    for path in sorted((crowd / "source").glob("blob_*"))[:7]:
        (tmp_path / "images").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "images")
    options = RoundOptions(
        known=crowd / "known.csv", extract=ExtractOptions(extractor="texture"), target_purity=0.5
    )
    with pytest.raises(InputError, match="nothing to discover; --keep-matches"):
        discover_types(tmp_path / "images", tmp_path / "out", options=options)


def test_known_types_guide_what_is_new(crowd, tmp_path):
    plain, guided = tmp_path / "plain", tmp_path / "guided"
    run_crowd(crowd, plain, keep_matches=True)
    run_crowd(crowd, guided, keep_matches=True, guided=True)
    apart = [
        open_run(run).load_neighbours(open_run(run).load_clustering().ids).distances
        for run in (plain, guided)
    ]
    assert not np.allclose(*apart)
    assert {"waves", "blob"} == kinds_of(guided)


@pytest.mark.parametrize("flag", ["guided", "keep_matches"])
def test_options_of_known_types_need_known_types(flag):
    with pytest.raises(OptionError, match="is for --known HANDOFF"):
        RoundOptions(**{flag: True})


def test_what_was_set_aside_is_the_ground_that_associations_stand_out_from(crowd, tmp_path):
    paths = sorted((crowd / "source").iterdir())
    tools = ["T1" if path.name.startswith("waves") else "T2" for path in paths]
    metadata = tmp_path / "metadata.csv"
    pd.DataFrame({"path": [p.name for p in paths], "tool": tools}).to_csv(metadata, index=False)
    extract = ExtractOptions(extractor="texture", metadata=metadata)
    options = RoundOptions(known=crowd / "known.csv", extract=extract)
    found = discover_types(crowd / "source", tmp_path / "out", options=options)
    assert found.images < 60
    rows = pd.read_csv(tmp_path / "out" / "associations.csv")
    told = rows[(rows["column"] == "tool") & (rows["value"] == "T1")]
    assert len(told)
    # A whole number of the images that are not of this type, those set aside among them.
    others = told["share_out"].iloc[0] * (60 - told["size"].iloc[0])
    assert pytest.approx(round(others), abs=1e-3) == others
    assert told["share_in"].iloc[0] > told["share_out"].iloc[0]
