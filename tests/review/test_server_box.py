"""A review of crops: where in each the defect lies."""

import numpy as np
from PIL import Image

from discovery import AgglomerativeOptions, RoundOptions, discover_types, open_review
from discovery.review.server import ReviewApi
from embeddings.extract import ExtractOptions


def test_the_box_of_a_defect_is_told_in_pixels_of_its_crop(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    boxes = ["path,xmin,ymin,xmax,ymax"]
    for number in range(12):
        pixels = rng.normal(60, 5, (160, 200))
        x, y = 60 + number, 40 + 3 * number
        pixels[y : y + 20, x : x + 40] += 60 + 60 * (number % 2)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")
        boxes.append(f"images/{number:02}.png,{x},{y},{x + 40},{y + 20}")
    listed = tmp_path / "boxes.csv"
    listed.write_text("\n".join(boxes) + "\n", encoding="utf-8")
    options = RoundOptions(
        extract=ExtractOptions(extractor="texture", boxes=listed),
        clusterer=AgglomerativeOptions(n_clusters=2),
    )
    discover_types(folder, tmp_path / "run", options=options)
    with open_review(tmp_path / "run", by="eva") as review:
        api = ReviewApi(review)
        for image in range(12):
            told = api.call("image_info", {"image": image}).json
            # A crop is a square with half of the box's longer side around it.
            assert told["box"] == {"x": 20, "y": 30, "width": 40, "height": 20}
            assert (told["width"], told["height"]) == (80, 80)
            assert "defect_box" not in told["metadata"]
        api.close()
