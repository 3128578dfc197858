import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeTransport } from "../src/testing/fake";
import { mountFake, type Mounted, settle } from "../src/testing/mount";

const HOSTILE = `<img src=x onerror="window.hurt=1">"'&<b>`;

let page: Mounted;
beforeEach(async () => {
  page = await mountFake();
});
afterEach(() => page.unmount());

const decided = () => page.fake.ledger.map((entry) => entry.action);

test("a proposal is named with a digit and accepted without what was thrown out", async () => {
  expect(page.text("h1")).toBe("Proposal 1");
  await page.press("ArrowRight", "x", "ArrowRight", "Space", "1", "Enter");
  expect(decided()).toEqual([
    {
      name: "accept",
      proposal: "p0",
      label: "defect/scratch",
      shown: [0, 1, 2, 3, 4, 5, 6, 7],
      thrown: [1, 2],
    },
  ]);
  expect(page.fake.ledger[0]?.selection).toEqual({ kind: "proposal" });
  expect(page.fake.ledger[0]?.seconds).toBeTypeOf("number");
  expect(page.text("h1")).toBe("Proposal 2");
  expect(page.text(".message")).toBe("accept recorded");
});

test("shift and enter take the name alone, and vouch for no image", async () => {
  await page.press("1", "Shift+Enter");
  expect(decided()).toEqual([
    { name: "accept", proposal: "p0", label: "defect/scratch", shown: [], thrown: [] },
  ]);
});

test("one key accepts under the name that is suggested first", async () => {
  await page.press("a", "Shift+A");
  const said = page.fake.ledger.map(({ action }) => action as { label: string; shown: number[] });
  expect(said.map(({ label }) => label)).toEqual(["defect/scratch", "defect/scratch"]);
  expect(said.map(({ shown }) => shown.length > 0)).toEqual([true, false]);
});

test("enter without a name asks for one, and a letter without a command begins it", async () => {
  await page.press("Enter");
  expect(decided()).toEqual([]);
  await page.type("spot");
  await page.press("Enter");
  expect(decided()).toMatchObject([{ name: "accept", proposal: "p0", label: "spot" }]);
  await page.press("k");
  await page.type("iss");
  await page.press("Enter");
  expect(decided()[1]).toMatchObject({ proposal: "p1", label: "kiss" });
});

test("names are completed with the arrows and with tab", async () => {
  await page.press("Enter");
  await page.type("part");
  await page.press("ArrowDown", "Enter");
  expect(decided()).toMatchObject([{ label: "defect/particle" }]);
  await page.press("Enter");
  await page.type("scr");
  await page.press("Tab", "Enter");
  expect(decided()[1]).toMatchObject({ label: "defect/scratch" });
});

test("reject, defer, next and previous need one key", async () => {
  await page.press("r");
  expect(page.text("h1")).toBe("Proposal 2");
  await page.press("n");
  expect(page.text("h1")).toBe("Proposal 3");
  await page.press("p");
  expect(page.text("h1")).toBe("Proposal 2");
  await page.press("d", "u", "Shift+U");
  expect(decided().map((action) => action.name)).toEqual(["reject", "defer", "undo", "redo"]);
});

test("split shows the parts before it is recorded", async () => {
  await page.press("s");
  expect(page.text("dialog h2")).toBe("Split proposal 1");
  await page.press("Escape");
  expect(page.root.querySelector("dialog")).toBeNull();
  await page.press("s", "Enter");
  expect(decided()).toMatchObject([{ name: "split", proposal: "p0", parts: [[0, 1], [2, 3]] }]);
});

test("a dialog keeps keys from the page behind it", async () => {
  await page.press("?");
  expect(page.text("dialog h2")).toBe("Keys");
  await page.press("r", "x", "n");
  expect(decided()).toEqual([]);
  await page.press("?");
  expect(page.root.querySelector("dialog")).toBeNull();
});

test("keys that do nothing in this run are not listed", async () => {
  await page.press("?");
  expect(page.text(".key-groups")).not.toMatch(/heat map|golden image|prototype/);
  await page.press("?", "1", "Enter", "?");
  expect(page.text(".key-groups")).toContain("prototype of the type");
  page.unmount();
  page = await mountFake(new FakeTransport(4, { has_heat: true, has_reference: true }));
  await page.press("?");
  expect(page.text(".key-groups")).toMatch(/heat map.*golden image/);
});

test("a slider that has the focus takes the arrows, and leaves the page its keys", async () => {
  page.unmount();
  const positions = [4, 8].map((groups, index) => ({ index, groups, resolution: 1, stable: true }));
  page = await mountFake(new FakeTransport(4, { levels: { positions, current: 0 } }));
  await page.press("Shift+Digit8");
  const slider = page.root.querySelector<HTMLInputElement>("input[type=range]");
  slider?.focus();
  const arrow = new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true });
  expect(slider?.dispatchEvent(arrow)).toBe(true);
  await page.press("?");
  expect(page.text("dialog h2")).toBe("Keys");
  await page.press("?");
  slider?.focus();
  slider?.dispatchEvent(new Event("pointerup", { bubbles: true }));
  expect(document.activeElement).not.toBe(slider);
});

test("the name of a group counts the images that it is given to", async () => {
  page.unmount();
  const fake = new FakeTransport(4, { page_size: 8 });
  fake.decidedAlone.fill(1, 0, 10);
  page = await mountFake(fake);
  await page.press("Shift+Digit8");
  const all = new KeyboardEvent("keydown", { key: "a", ctrlKey: true, bubbles: true });
  document.body.dispatchEvent(all);
  await settle();
  expect(page.text(".selection")).toContain(
    `Name ${fake.label.length - 10} of ${fake.label.length} images; the others were decided`,
  );
});

test("a name for no image says so, and is kept in its field", async () => {
  await page.press("Shift+Digit8");
  const decidedOnly = page.root.querySelectorAll<HTMLSelectElement>(".filters select")[2];
  if (decidedOnly) decidedOnly.value = "human";
  decidedOnly?.dispatchEvent(new Event("change", { bubbles: true }));
  await settle();
  expect(page.text(".work")).toContain("No image passes this filter.");
  await page.press("Enter");
  await page.type("spot");
  await page.press("Enter");
  expect(decided()).toEqual([]);
  expect(page.text(".messages")).toContain("No image is selected");
  expect(page.root.querySelector<HTMLInputElement>(".selection input")?.value).toBe("spot");
});

test("a conflict is shown and nothing is overwritten", async () => {
  page.fake.conflict = { text: "1 was accepted as bridge", by: "bert" };
  await page.press("1", "Enter");
  expect(page.text("dialog h2")).toBe("bert decided first");
  expect(page.text("dialog")).toContain("1 was accepted as bridge");
  expect(decided()).toEqual([]);
  await page.press("Enter");
  expect(page.root.querySelector("dialog")).toBeNull();
  expect(page.text("h1")).toBe("Proposal 1");
});

test("a decision that nobody answered is shown so, and sent again when somebody does", async () => {
  await page.press("1");
  page.fake.broken = 1;
  await page.press("Enter");
  expect(page.text(".banner")).toContain("Not acknowledged yet: accept as defect/scratch");
  expect(decided()).toEqual([]);
  page.fake.tell({ connected: false });
  page.fake.tell({ connected: true });
  await settle();
  expect(decided()).toHaveLength(1);
  expect(page.root.querySelector(".banner")).toBeNull();
  expect(page.text("h1")).toBe("Proposal 2");
});

test("what somebody else decided appears by itself", async () => {
  await page.fake.call("act", {
    action: { name: "accept", proposal: "p2", label: "bridge", shown: [], thrown: [] },
  });
  page.fake.tell({ revision: 1 });
  await settle();
  expect(page.text(".others")).toBe("Somebody else: 3 accepted as bridge");
  expect(page.text(".types-list")).toContain("bridge");
});

test("one's own decision is nobody else's, whenever its revision is told", async () => {
  const call = page.fake.call.bind(page.fake);
  page.fake.call = ((method: string, args: object) => {
    // After the decision was answered, and before what came of it is here.
    if (method === "state") queueMicrotask(() => page.fake.tell({ revision: 1 }));
    return call(method as never, args as never);
  }) as typeof page.fake.call;
  await page.press("1", "Enter");
  expect(decided()).toHaveLength(1);
  expect(page.root.querySelector(".others")?.textContent ?? "").toBe("");
});

test("names are text wherever they come from", async () => {
  page.unmount();
  const fake = new FakeTransport();
  const row = fake.proposals[0];
  if (row) row.label = HOSTILE;
  page = await mountFake(fake);
  await page.press("Enter");
  for (const screen of [2, 3, 4, 5, 6, 7]) await page.press(`Shift+Digit${screen}`);
  expect(page.text(".types-list")).toContain(HOSTILE);
  expect(page.root.querySelector("script")).toBeNull();
  expect(page.root.querySelector("img[onerror]")).toBeNull();
});

test("what the rest was matched with is said", async () => {
  page.unmount();
  const fake = new FakeTransport();
  const row = fake.proposals[0];
  if (row) row.likely = "defect/pit";
  page = await mountFake(fake);
  expect(page.text(".screen-head")).toContain("looks like defect/pit");
  expect(page.text(".rows.proposals .row-name")).toBe("looks like defect/pit");
});

test("two reviews on one page keep apart", async () => {
  const other = await mountFake();
  await other.press("Shift+Digit5");
  other.unmount();
  expect(page.fake.ledger).toEqual([]);
});
