// The cards: sorted, filtered, chosen together with the map.

// Cards far away have no layout yet, only an estimate: the second look lands where it should.
const scrollTo = (element) => {
  const land = () => element.scrollIntoView({ behavior: "instant", block: "start" });
  land();
  requestAnimationFrame(() => requestAnimationFrame(land));
};

const createGallery = (selection, openImage) => {
  const holder = document.getElementById("cards");
  const cards = [...holder.children];
  const filter = document.getElementById("filter");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const texts = new Map(); // card -> what the filter looks at, made when it is first needed

  const textOf = (card) => {
    if (!texts.has(card)) {
      const paths = [...card.querySelectorAll(".shot")].flatMap((shot) => pathsOf(Number(shot.dataset.i)));
      const shown = [...card.querySelectorAll("h3, header code, dd span, bdi")].map((part) => part.textContent);
      texts.set(card, [...shown, ...paths].join("\n").toLowerCase());
    }
    return texts.get(card);
  };

  const applyFilter = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word);
    let count = 0;
    for (const card of cards) {
      card.hidden = !words.every((word) => textOf(card).includes(word));
      count += card.hidden ? 0 : 1;
    }
    shown.textContent = words.length ? `${count} of ${cards.length}` : "";
    const none = document.getElementById("no-match");
    if (none) none.hidden = count > 0 || !cards.length;
  };

  const applySort = () => {
    const key = sort.value;
    const sign = key === "rank" ? 1 : -1; // the largest and the most stable first
    const by = (card) => sign * Number(card.dataset[key]);
    cards.sort((a, b) => by(a) - by(b) || Number(a.dataset.rank) - Number(b.dataset.rank));
    holder.append(...cards);
  };

  const follow = (cluster, origin) => {
    for (const button of document.querySelectorAll("button.select")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.cluster) === cluster));
    }
    for (const card of cards) card.classList.toggle("chosen", Number(card.dataset.cluster) === cluster);
    document.getElementById("rare").classList.toggle("chosen", cluster === NOISE);
    if (cluster === null) return;
    const card = cards.find((each) => Number(each.dataset.cluster) === cluster);
    if (card?.hidden) { filter.value = ""; applyFilter(); }
    const target = cluster === NOISE ? document.getElementById("rare") : card;
    if (origin !== "card" && target) scrollTo(target);
    const row = document.querySelector(`.legend-row[data-cluster="${cluster}"]`);
    const rows = row?.closest(".legend-rows");
    if (rows) rows.scrollTop = row.offsetTop - rows.clientHeight / 2;
  };

  filter.addEventListener("input", applyFilter);
  sort.addEventListener("change", applySort);
  selection.onChange(follow);

  document.addEventListener("click", (event) => {
    const select = event.target.closest("button.select");
    const shot = event.target.closest("button.shot");
    const copy = event.target.closest("button[data-copy]");
    if (copy) copyText(copy.dataset.copy, copy);
    if (select) {
      const inCard = select.closest(".card");
      selection.toggle(Number(select.dataset.cluster), inCard ? "card" : "legend");
      if (inCard && selection.get() !== null && !isInView(document.getElementById("map-canvas"))) {
        scrollTo(document.getElementById("map"));
      }
    }
    if (shot) {
      const all = shot.closest(".members");
      const others = [...shot.closest(".card, .rare").querySelectorAll(".shot")].filter((each) => !each.closest(".members"));
      const among = all ? all.members : [...new Set(others.map((each) => Number(each.dataset.i)))];
      openImage(Number(shot.dataset.i), among);
    }
  });
};

const isInView = (element) => {
  const box = element.getBoundingClientRect();
  return box.bottom > 80 && box.top < window.innerHeight - 80;
};
