// Tiles: very small pictures, a thousand in one JPEG. A sheet is decoded when one of its is needed.

const tilePlaces = new Map(); // image -> [sheet, field]
data.tiles.forEach((sheet, number) => {
  new Int32Array(decodeBytes(sheet.images)).forEach((i, field) => {
    if (i >= 0) tilePlaces.set(i, [number, field]);
  });
});

const tileSheets = new Map(); // number -> promise of its picture
const openSheet = (number) => {
  if (!tileSheets.has(number)) {
    const picture = new Image();
    picture.src = data.tiles[number].data;
    tileSheets.set(number, picture.decode().then(() => picture));
  }
  return tileSheets.get(number);
};

// The tile of an image as a data URI; null where it has none.
const cutTile = async (i) => {
  const place = tilePlaces.get(i);
  if (!place) return null;
  const [number, field] = place;
  const { columns, side } = data.tiles[number];
  const canvas = document.createElement("canvas");
  canvas.width = side;
  canvas.height = side;
  const from = [side * (field % columns), side * Math.floor(field / columns)];
  canvas.getContext("2d").drawImage(await openSheet(number), ...from, side, side, 0, 0, side, side);
  return canvas.toDataURL("image/jpeg", 0.9);
};
