/** The frame round the screens, and the keys that hold everywhere. */
import { useEffect } from "preact/hooks";
import { useKeys } from "../keys/keys";
import { AllImages } from "../screens/AllImages";
import { Doubt } from "../screens/Doubt";
import { Grow } from "../screens/Grow";
import { MapScreen } from "../screens/MapScreen";
import { Merge } from "../screens/Merge";
import { Rest } from "../screens/Rest";
import { Types } from "../screens/Types";
import { Validate } from "../screens/Validate";
import { useStore } from "../state/context";
import { Dialogs } from "./dialogs";
import { Header, SCREENS } from "./Header";
import { Banner, ConflictDialog, MessageLine } from "./Notices";
import { Sidebar } from "./Sidebar";

const VIEWS = {
  validate: Validate,
  grow: Grow,
  doubt: Doubt,
  merge: Merge,
  rest: Rest,
  types: Types,
  map: MapScreen,
  images: AllImages,
};

export function Shell() {
  const store = useStore();
  const theme = store.settings.theme.value;
  const View = VIEWS[store.place.value.screen];
  useEffect(() => {
    void store.open();
  }, [store]);
  useKeys({
    ...Object.fromEntries(
      SCREENS.map(([screen], at) => [`Shift+Digit${at + 1}`, () => store.go(screen)]),
    ),
    "?": () => {
      store.dialog.value = { kind: "keys" };
    },
    "\\": () => {
      store.drawer.value = !store.drawer.value;
    },
    ".": () => void store.advance(store.place.value.proposal),
    u: () => void store.act({ name: "undo" }),
    "Shift+U": () => void store.act({ name: "redo" }),
    b: () => store.go("map"),
    "Shift+C": () => void store.startRegroup(),
    // While a proposal is shown the letter begins a name.
    ...(store.place.value.screen === "validate" ? {} : { v: () => store.go("validate") }),
    Escape: () => {
      store.drawer.value = false;
    },
  });
  return (
    <div class="shell" data-theme={theme === "auto" ? undefined : theme}>
      <Header />
      <Banner />
      <div class="columns">
        <Sidebar />
        <main>{store.overview.value ? <View /> : <Opening />}</main>
      </div>
      <MessageLine />
      <Dialogs />
      <ConflictDialog />
    </div>
  );
}

function Opening() {
  const store = useStore();
  const text = store.denied.value
    ? "This address has no token, or an old one."
    : store.message.value?.kind === "error"
      ? "The review could not be opened."
      : "Opening the run …";
  return (
    <section class="screen empty">
      <p>{text}</p>
    </section>
  );
}
