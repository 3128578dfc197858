// One picture large, with all that is known of it; arrow keys go through its neighbours on the page.

const copyText = async (text, button) => {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // a page from the disk may lack the right: the older way needs none
    const field = document.createElement("textarea");
    field.value = text;
    button.after(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
};

const createLightbox = () => {
  const dialog = document.getElementById("lightbox");
  const large = document.getElementById("large");
  const said = document.getElementById("large-said");
  const stepButtons = ["previous", "next"].map((name) => document.getElementById(`large-${name}`));
  let shown = [];
  let at = 0;

  const line = (tag, text, name = "") => {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = name;
    return element;
  };

  const pathLine = (path) => {
    const holder = line("div", "", "path-line");
    const copy = line("button", "Copy path", "copy");
    copy.type = "button";
    copy.addEventListener("click", () => copyText(path, copy));
    holder.append(line("bdi", path, "path"), copy);
    return holder;
  };

  // The thumbnail stands until the file itself has arrived from the disk.
  const load = (i) => {
    const embedded = embeddedOf(i, true) || tilePlaces.has(i);
    const note = line("p", embedded ? "Embedded picture." : "", "quiet");
    large.alt = `Image ${shortPathOf(i)}`;
    showPicture(large, i, true);
    const original = new Image();
    original.onload = () => {
      if (shown[at] !== i) return;
      large.src = original.src;
      note.textContent = `${original.naturalWidth} × ${original.naturalHeight} pixels, from the file.`;
    };
    original.onerror = () => {
      note.textContent = embedded
        ? "Embedded picture: the file cannot be shown from here."
        : "The file cannot be shown from here.";
    };
    original.src = fileUrl(pathsOf(i)[0]);
    return note;
  };

  const show = () => {
    const i = shown[at];
    const { name, detail } = describeImage(i);
    const paths = pathsOf(i);
    const twins = paths.length > 1 ? [line("p", `${paths.length} exact duplicates:`, "quiet")] : [];
    said.replaceChildren(
      line("h2", name), line("p", detail),
      ...(decidedOf(i) ? [line("p", `named ${decidedOf(i)}`, "label")] : []), ...twins, ...paths.slice(0, 20).map(pathLine), load(i),
    );
    stepButtons.forEach((button) => { button.hidden = shown.length < 2; });
  };

  const step = (by) => {
    at = (at + by + shown.length) % shown.length;
    show();
  };

  stepButtons[0].addEventListener("click", () => step(-1));
  stepButtons[1].addEventListener("click", () => step(1));
  document.getElementById("large-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });

  return (i, among) => {
    shown = among;
    at = Math.max(among.indexOf(i), 0);
    show();
    dialog.showModal();
  };
};
