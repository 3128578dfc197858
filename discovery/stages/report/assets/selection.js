// The one thing that map, legend and gallery share: which cluster is chosen (null: none).

const createSelection = () => {
  const listeners = [];
  let chosen = null;
  return {
    get: () => chosen,
    onChange: (listener) => listeners.push(listener),
    // `origin` says where the choice was made: that part need not be scrolled into view.
    choose: (cluster, origin) => {
      chosen = cluster;
      listeners.forEach((listener) => listener(cluster, origin));
    },
    toggle(cluster, origin) {
      this.choose(cluster === chosen ? null : cluster, origin);
    },
  };
};
