// Pictures: the embedded thumbnail, else the file itself on the disk, else nothing but its path.

// A file name that is no valid Unicode comes as lone surrogates U+DC80 to U+DCFF, one a byte.
const encodePart = (part) => [...part].map((character) => {
  const code = character.codePointAt(0);
  if (code >= 0xdc80 && code <= 0xdcff) return `%${(code - 0xdc00).toString(16).toUpperCase()}`;
  if (code >= 0xd800 && code <= 0xdfff) return "%EF%BF%BD";
  return encodeURIComponent(character);
}).join("");

const fileUrl = (path) => {
  const windows = /^[A-Za-z]:[\\/]/.test(path);
  const share = path.startsWith("\\\\");
  const parts = (windows || share ? path.replaceAll("\\", "/") : path).split("/").map(encodePart);
  if (share) return `file://${parts.slice(2).join("/")}`;
  if (windows) return `file:///${path.slice(0, 2)}/${parts.slice(1).join("/")}`;
  if (path.startsWith("/")) return `file:///${parts.filter((part) => part).join("/")}`;
  return parts.join("/"); // relative to the report
};

// Enlarged pixels are shown as pixels: a wafer map of 26 x 26 dies is no photograph.
const markTiny = (image) => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) < 64);

const isMissing = new Set(); // images whose file could not be shown; not tried again

// The best that the page holds of an image; `large` where it is shown at more than a thumbnail's size.
const embeddedOf = (i, large) => (large && data.larger[i]) || data.thumbnails[i] || data.larger[i];

const showPicture = (image, i, large = false) => {
  const embedded = embeddedOf(i, large);
  const holder = image.parentElement;
  holder.classList.remove("missing");
  image.onload = () => markTiny(image);
  image.onerror = () => {
    isMissing.add(i);
    image.removeAttribute("src");
    holder.classList.add("missing");
    holder.dataset.name = shortPathOf(i).split(/[\\/]/).pop();
  };
  if (embedded) image.src = embedded;
  else if (tilePlaces.has(i)) cutTile(i).then((tile) => { image.src = tile; });
  else if (isMissing.has(i)) image.onerror();
  else image.src = fileUrl(pathsOf(i)[0]);
};

const fillPicture = (image) => {
  if (image.dataset.filled) return;
  image.dataset.filled = "1";
  showPicture(image, Number(image.dataset.i), image.parentElement.classList.contains("medoid"));
};

// Pictures are decoded when they come near the window.
const pictureObserver = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    pictureObserver.unobserve(target);
    fillPicture(target);
  }
}, { rootMargin: "600px" });

const watchPicture = (image) => pictureObserver.observe(image);

const fillPictures = () => {
  document.querySelectorAll("img[data-i]").forEach(watchPicture);
  // Those on paper never come into the window: a few dozen, all at once.
  document.querySelectorAll(".brief img").forEach(fillPicture);
};
