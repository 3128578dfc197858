"""Counting defects: Faster R-CNN trained from boxes, large pictures by tiles, its evaluation.

    examples = read_examples(Path("boxes.csv"), Path("images"))
    detector = ...                        # train_detector, or load_detector(folder, device)
    for answer in count_defects(detector, places):
        answer.boxes                      # edges in pixels, labels, scores

From the command line: python -m discovery.detect.
"""
