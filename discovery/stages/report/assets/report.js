// The page comes alive: one selection, and the parts that share it.

const selection = createSelection();
const openImage = createLightbox();
createGallery(selection, openImage);
createMap(selection, openImage);
createMembers();
fillPictures();
document.getElementById("map-hint").textContent =
  "Drag to move, wheel to zoom, click to choose a type.";
document.documentElement.dataset.ready = "1";
