// All images of a group, firmest first: the fold is filled when it is opened, a page at a time.

const MEMBERS_A_TIME = 240;

const listMembers = (cluster) => {
  const members = [];
  for (let i = 0; i < imageCount; i += 1) if (data.labels[i] === cluster) members.push(i);
  const by = cluster === NOISE ? data.outliers : data.memberships;
  return members.sort((a, b) => by[b] - by[a]);
};

// What a person said of this very image, where it is not what was said of its group.
const labelApart = (i) => {
  const own = data.types[data.decided[i]] ?? "";
  const group = data.clusters[data.labels[i]]?.label ?? "";
  if (own === group) return "";
  return own ? own.split("/").pop() : "left out";
};

const makeShot = (i) => {
  const shot = document.createElement("button");
  shot.type = "button";
  shot.className = "shot";
  shot.dataset.i = i;
  shot.title = shortPathOf(i);
  const image = document.createElement("img");
  image.alt = shortPathOf(i);
  image.dataset.i = i;
  image.decoding = "async";
  shot.append(image);
  const apart = labelApart(i);
  if (apart) {
    const caption = document.createElement("span");
    caption.className = "caption";
    caption.textContent = apart;
    shot.append(caption);
  }
  return shot;
};

const fillMembers = (fold) => {
  const holder = fold.querySelector(".members");
  const members = listMembers(Number(fold.dataset.cluster));
  holder.members = members; // the large picture steps through all of them
  let shown = 0;
  const end = document.createElement("span");
  end.className = "end";
  holder.append(end);
  const showMore = () => {
    const shots = members.slice(shown, shown + MEMBERS_A_TIME).map(makeShot);
    shown += shots.length;
    end.before(...shots);
    shots.forEach((shot) => watchPicture(shot.firstChild));
    if (shown >= members.length) end.remove();
  };
  showMore();
  const more = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    showMore();
    more.unobserve(end); // looked at anew: it may be in view still
    if (end.isConnected) more.observe(end);
  }, { root: holder, rootMargin: "200px" });
  if (end.isConnected) more.observe(end);
};

const createMembers = () => {
  for (const fold of document.querySelectorAll("details.all")) {
    fold.addEventListener("toggle", () => {
      if (!fold.open || fold.dataset.filled) return;
      fold.dataset.filled = "1";
      fillMembers(fold);
    });
  }
};
