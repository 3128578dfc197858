import { expect, test } from "vitest";
import { FakeTransport } from "../src/testing/fake";
import { mountFake, settle } from "../src/testing/mount";

/** Answers what comes next only when it is told to. */
class SlowTransport extends FakeTransport {
  release: () => void = () => undefined;
  private held: Promise<void> | null = null;

  hold(): void {
    this.held = new Promise((resolve) => {
      this.release = resolve;
    });
  }

  override async call<T>(method: string, args: object = {}) {
    if (method === "next") await this.held;
    return super.call<T>(method, args);
  }
}

test("who went on meanwhile stays where they are", async () => {
  const fake = new SlowTransport();
  const page = await mountFake(fake);
  fake.hold();
  await page.press("1", "Enter");
  await page.press("n", "n", "s");
  expect(page.text("h1")).toBe("Proposal 3");
  fake.release();
  await settle();
  expect(page.text("h1")).toBe("Proposal 3");
  expect(page.text("dialog h2")).toBe("Split proposal 3");
  page.unmount();
});

test("a dialog that is closed at once leaves no keys behind", async () => {
  const page = await mountFake();
  const press = (key: string) =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (let turn = 0; turn < 5; turn++) {
    press("?");
    await Promise.resolve();
    press("Escape");
    await Promise.resolve();
  }
  await settle();
  expect(page.root.querySelector("dialog")).toBeNull();
  await page.press("r");
  expect(page.fake.ledger.map((entry) => entry.action.name)).toEqual(["reject"]);
  page.unmount();
});
