/** Every key of the page, as the overlay lists them where it does something. */

export interface KeyGroup {
  title: string;
  keys: [string, string][];
}

export interface KeyContext {
  /** Heat maps can be drawn of this run. */
  hasHeat: boolean;
  /** Some image has a golden one. */
  hasReference: boolean;
  /** There is a type already. */
  hasTypes: boolean;
}

/** The groups of keys, without those that do nothing here. */
export function listKeys({ hasHeat, hasReference, hasTypes }: KeyContext): KeyGroup[] {
  const idle = new Set([
    ...(hasHeat ? [] : [HEAT]),
    ...(hasReference ? [] : [BLINK, BESIDE]),
    ...(hasTypes ? [] : [EXCLUDE, PROTOTYPE]),
  ]);
  return KEY_GROUPS.map(({ title, keys }) => ({
    title,
    keys: keys.filter((key) => !idle.has(key)),
  }));
}

type Line = [string, string];
const HEAT: Line = ["h", "heat map"];
const BLINK: Line = ["r", "golden image in its place, and back"];
const BESIDE: Line = ["⇧R", "golden image beside it"];
const EXCLUDE: Line = ["e", "not this type (where all selected are of one)"];
const PROTOTYPE: Line = ["t", "prototype of the type (where all selected are of one)"];

const KEY_GROUPS: KeyGroup[] = [
  {
    title: "Everywhere",
    keys: [
      ["?", "these keys"],
      ["u", "undo"],
      ["⇧U", "redo"],
      ["⇧1 … ⇧8", "the screens, from left to right"],
      ["v", "back to validate (other screens)"],
      ["b", "the map"],
      [".", "what to look at next"],
      ["⇧C", "cluster what is left again"],
      ["\\", "list of proposals (narrow window)"],
      ["Esc", "close; clear the marks"],
    ],
  },
  {
    title: "Images",
    keys: [
      ["← → ↑ ↓", "move"],
      ["⇧ + move", "mark all on the way"],
      ["Space, x", "throw out, take back; select"],
      ["Ctrl + click, ⇧ + click", "one more; a range"],
      ["Ctrl + a", "mark all"],
      ["z, double click", "zoom the image"],
      ["l", "look-alikes"],
      ["+ −", "size of the images"],
    ],
  },
  {
    title: "Validate",
    keys: [
      ["Enter", "accept with the name in the field: what is shown belongs, but for what is out"],
      ["⇧Enter", "take the name alone: nobody vouches for the images"],
      ["a ⇧A", "the same two, with the name that is suggested first"],
      ["a letter without a command", "start the name"],
      ["1 … 9", "take a suggested name"],
      ["s", "split"],
      ["m", "merge with …"],
      ["⇧M", "move the marked images"],
      ["r", "reject: no type"],
      ["d", "defer"],
      ["g", "grow this type"],
      ["n p", "next, previous open proposal"],
    ],
  },
  {
    title: "Grow",
    keys: [
      ["Enter", "all of this page belong, but for the crossed out; at the end: record"],
      ["x", "this one does not belong"],
      ["r", "this page does not belong"],
      ["n p", "next, previous type"],
    ],
  },
  {
    title: "Doubt",
    keys: [
      ["Enter", "all but the crossed out are what they look like"],
      ["x", "this one is not"],
      ["1 … 9 or a name", "say what the crossed out are (none crossed: the current one)"],
      ["n", "another page, nothing decided"],
    ],
  },
  {
    title: "Merge",
    keys: [
      ["Enter", "one type"],
      ["n p", "not the same: next, previous pair"],
    ],
  },
  {
    title: "Rest",
    keys: [["Enter", "label what nobody looked at"]],
  },
  {
    title: "Types",
    keys: [
      ["↑ ↓", "move"],
      ["Space", "select for a merge"],
      ["e, F2", "rename, or merge the selected"],
      ["Enter", "members"],
      ["g", "grow"],
    ],
  },
  {
    title: "Map, all images",
    keys: [
      ["Enter or a letter", "name the selected"],
      ["a", "select the group under the cursor (granularity)"],
      EXCLUDE,
      ["r", "no type on purpose"],
      ["f", "release: follow the proposal again"],
      PROTOTYPE,
      ["s", "split the selected off their proposal"],
      ["/", "search by file name"],
    ],
  },
  {
    title: "The map itself (Tab goes there)",
    keys: [
      ["⇧ + drag", "lasso"],
      ["Space", "rectangle: arrows move it, ⇧ arrows size it, Enter selects, Esc leaves it"],
      ["← → ↑ ↓", "move the map"],
      ["+ − 0", "nearer, farther, all"],
    ],
  },
  {
    title: "One image",
    keys: [
      ["+ − 0 1", "nearer, farther, whole, one to one"],
      ["← → ↑ ↓", "move it where it is larger than its place; else previous, next"],
      ["n p", "next, previous"],
      HEAT,
      BLINK,
      BESIDE,
    ],
  },
];
