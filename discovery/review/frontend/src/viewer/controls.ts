/** The viewer's buttons and sliders. */
import { formatLevel, type LevelWindow } from "./levels";
import type { ViewerInfo } from "./props";

export type ReferenceMode = "off" | "beside" | "instead";

export interface ControlState {
  levels: LevelWindow;
  range: LevelWindow;
  step: number;
  heat: boolean;
  heatShare: number;
  reference: ReferenceMode;
  zoomText: string;
}

export interface ControlActions {
  step(by: 1 | -1): void;
  zoom(factor: number): void;
  actualSize(): void;
  fit(): void;
  setLevel(end: "low" | "high", value: number): void;
  findLevels(): void;
  resetLevels(): void;
  toggleHeat(): void;
  setHeatShare(share: number): void;
  setReference(mode: ReferenceMode): void;
}

export const ZOOM_STEP = 1.5;

export class Controls {
  readonly element = document.createElement("div");
  private readonly zoomText = document.createElement("output");
  private readonly sliders = new Map<string, { input: HTMLInputElement; text: HTMLElement }>();
  private readonly buttons = new Map<string, HTMLButtonElement>();

  constructor(
    info: ViewerInfo,
    private readonly actions: ControlActions,
    hasSteps: boolean,
  ) {
    this.element.className = "viewer-controls";
    if (hasSteps) this.addSteps();
    this.addZoom();
    this.addLevels();
    if (info.hasHeat) this.addHeat();
    if (info.hasReference) this.addReference();
  }

  show(state: ControlState): void {
    const { levels, range, step } = state;
    this.zoomText.textContent = state.zoomText;
    (["low", "high"] as const).forEach((end, k) => {
      const text = formatLevel(levels[k]!, step);
      const limits = { min: range[0], max: range[1], step: step >= 1 ? 1 : "any" };
      this.setSlider(end, levels[k]!, text, limits);
    });
    this.setSlider("heat", state.heatShare * 100, `${Math.round(state.heatShare * 100)} %`);
    this.press("heat", state.heat);
    for (const mode of ["off", "beside", "instead"] as const) {
      this.press(`reference ${mode}`, state.reference === mode);
    }
  }

  private addSteps(): void {
    const group = this.addGroup("Image");
    group.append(
      this.makeButton("previous", "Previous", "Previous image (left arrow, p)", () =>
        this.actions.step(-1),
      ),
      this.makeButton("next", "Next", "Next image (right arrow, n)", () => this.actions.step(1)),
    );
  }

  private addZoom(): void {
    const group = this.addGroup("Zoom");
    const { actions } = this;
    group.append(
      this.makeButton("smaller", "\u2212", "Zoom out (-)", () => actions.zoom(1 / ZOOM_STEP)),
      this.makeButton("larger", "+", "Zoom in (+)", () => actions.zoom(ZOOM_STEP)),
      this.makeButton("actual", "1:1", "One pixel of the image a pixel (1)", () =>
        actions.actualSize(),
      ),
      this.makeButton("fit", "Fit", "The whole image (0)", () => actions.fit()),
      this.zoomText,
    );
  }

  private addLevels(): void {
    const group = this.addGroup("Grey levels");
    const { actions } = this;
    group.append(
      this.makeSlider("low", "Black at", (value) => actions.setLevel("low", value)),
      this.makeSlider("high", "White at", (value) => actions.setLevel("high", value)),
      this.makeButton("auto", "Auto", "Levels from nearly the darkest to the brightest", () =>
        actions.findLevels(),
      ),
      this.makeButton("reset", "Reset", "Levels as the image was compared", () =>
        actions.resetLevels(),
      ),
    );
  }

  private addHeat(): void {
    const group = this.addGroup("Heat map");
    const { actions } = this;
    group.append(
      this.makeButton("heat", "Show", "Where the image is unlike others (h)", () =>
        actions.toggleHeat(),
      ),
      this.makeSlider("heat", "Strength", (value) => actions.setHeatShare(value / 100)),
    );
    this.setSlider("heat", 0, "", { min: 0, max: 100, step: 1 });
  }

  private addReference(): void {
    const group = this.addGroup("Golden image");
    const { actions } = this;
    for (const [mode, text, title] of [
      ["off", "Off", "The image alone"],
      ["beside", "Beside", "Both side by side (shift+r)"],
      ["instead", "Blink", "One in the other's place; r changes between them"],
    ] as const) {
      const press = (): void => actions.setReference(mode);
      group.append(this.makeButton(`reference ${mode}`, text, title, press));
    }
  }

  private addGroup(name: string): HTMLElement {
    const group = document.createElement("div");
    const title = document.createElement("h3");
    const row = document.createElement("div");
    title.textContent = name;
    row.className = "viewer-row";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
    group.append(title, row);
    this.element.append(group);
    return row;
  }

  private makeButton(
    name: string,
    text: string,
    title: string,
    press: () => void,
  ): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = title;
    button.dataset["name"] = name;
    button.addEventListener("click", press);
    this.buttons.set(name, button);
    return button;
  }

  private makeSlider(name: string, label: string, move: (value: number) => void): HTMLElement {
    const box = document.createElement("label");
    const title = document.createElement("span");
    const input = document.createElement("input");
    const text = document.createElement("output");
    title.textContent = label;
    input.type = "range";
    input.dataset["name"] = name;
    input.addEventListener("input", () => move(input.valueAsNumber));
    box.className = "viewer-slider";
    box.append(title, input, text);
    this.sliders.set(name, { input, text });
    return box;
  }

  private setSlider(
    name: string,
    value: number,
    text: string,
    limits: { min: number; max: number; step: number | string } | null = null,
  ): void {
    const slider = this.sliders.get(name);
    if (!slider) return;
    if (limits) {
      slider.input.min = String(limits.min);
      slider.input.max = String(limits.max);
      slider.input.step = String(limits.step);
    }
    slider.input.value = String(value);
    slider.text.textContent = text;
  }

  private press(name: string, isPressed: boolean): void {
    this.buttons.get(name)?.setAttribute("aria-pressed", String(isPressed));
  }
}
