// How marks get on the canvas. A few thousand are stamped smoothly by the browser; beyond that
// they are written as pixels, which takes a few milliseconds a frame even without a GPU.

const MANY = 6000;

const createPainter = (canvas) => (imageCount > MANY ? createPixelPainter(canvas) : createSmoothPainter(canvas));

const createSmoothPainter = (canvas) => {
  const pen = canvas.getContext("2d");
  return {
    begin: () => {
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
    },
    stamp: (mark, x, y) => pen.drawImage(mark, x - mark.width / 2, y - mark.height / 2),
    end: () => {},
  };
};

// The solid pixels of a stamp: where they lie from its centre, and their colour.
const readPixels = (mark) => {
  const half = mark.width >> 1;
  const { data: bytes } = mark.getContext("2d").getImageData(0, 0, mark.width, mark.height);
  const words = new Uint32Array(bytes.buffer);
  const solid = [...words.keys()].filter((at) => bytes[4 * at + 3] > 120);
  return {
    dx: Int32Array.from(solid, (at) => at % mark.width - half),
    dy: Int32Array.from(solid, (at) => Math.floor(at / mark.width) - half),
    colours: Uint32Array.from(solid, (at) => words[at] | 0xff000000), // alpha is the last byte
    half,
  };
};

const createPixelPainter = (canvas) => {
  const pen = canvas.getContext("2d");
  const known = new WeakMap(); // stamp -> its pixels
  let image = null;
  let words = null;
  const pixelsOf = (mark) => {
    if (!known.has(mark)) known.set(mark, readPixels(mark));
    return known.get(mark);
  };
  return {
    begin: () => {
      if (!image || image.width !== canvas.width || image.height !== canvas.height) {
        image = new ImageData(canvas.width, canvas.height);
        words = new Uint32Array(image.data.buffer);
      }
      words.fill(0);
    },
    stamp: (mark, x, y) => {
      const { dx, dy, colours, half } = pixelsOf(mark);
      const { width, height } = image;
      const column = Math.round(x);
      const row = Math.round(y);
      const inside = column >= half && row >= half && column < width - half && row < height - half;
      for (let at = 0; at < colours.length; at += 1) {
        const px = column + dx[at];
        const py = row + dy[at];
        if (inside || (px >= 0 && py >= 0 && px < width && py < height)) words[py * width + px] = colours[at];
      }
    },
    end: () => pen.putImageData(image, 0, 0),
  };
};
