"""The method ``find``: images by their file's name, and by what is known of them."""

import numpy as np

from discovery.review.server.answers import Answer
from discovery.review.server.arguments import text
from discovery.review.server.context import ApiContext
from discovery.review.server.method import Method
from embeddings.bounded import parse_json
from embeddings.errors import OptionError


def find_images(context: ApiContext, *, text: str, column: str | None, value: str | None) -> Answer:
    """Find the images whose name or id holds a text, and whose metadata has a value.

    Upper and lower case are the same. A value must agree as a whole: tool 1 is not tool 17.
    """
    if (column is None) != (value is None):
        raise OptionError("find: column and value go together")
    files, wanted = context.files, text.casefold()
    ids = context.data.ids.tolist()
    found = [
        index
        for index in range(context.n)
        if wanted in files.name_path(index).casefold() or wanted in ids[index]
    ]
    if column is not None and value is not None:
        texts = files.rows["metadata"].tolist()
        has_value = {
            one: str(parse_json(one).get(column, "")).casefold() == value.casefold()
            for one in set(texts)
            if one
        }
        found = [index for index in found if has_value.get(texts[index], False)]
    return Answer(json={}, columns={"images": np.array(found, np.int32)})


METHODS = {
    "find": Method(
        run=find_images,
        arguments={
            "text": text(default=""),
            "column": text(default=None),
            "value": text(default=None),
        },
        pool="slow",
    )
}
