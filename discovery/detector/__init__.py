"""Counting defects: Faster R-CNN trained from boxes, large pictures by tiles, its evaluation.

    options = DetectorTrainOptions()
    detector, faults = learn_boxes(Path("boxes.csv"), options=options)  # train.py
    save_detector(detector, Path("model"))  # model.py
    refs, faults = list_pictures(Path("images"))  # dataset.py
    for answer in count_defects(detector, refs):  # predict.py
        answer.boxes  # edges in pixels, labels, scores

From the command line: python -m discovery.detect.
"""
