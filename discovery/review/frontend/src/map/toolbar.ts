/** The map's buttons. */

export interface Tool {
  name: string;
  text: string;
  title: string;
  press(): void;
}

export class Toolbar {
  readonly element = document.createElement("div");
  private readonly buttons = new Map<string, HTMLButtonElement>();

  constructor(tools: readonly Tool[]) {
    this.element.className = "map-tools";
    this.element.setAttribute("role", "toolbar");
    this.element.setAttribute("aria-label", "Map");
    for (const tool of tools) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = tool.text;
      button.title = tool.title;
      button.setAttribute("aria-label", tool.name);
      button.addEventListener("click", () => tool.press());
      this.buttons.set(tool.name, button);
      this.element.append(button);
    }
  }

  setPressed(name: string, isPressed: boolean): void {
    this.buttons.get(name)?.setAttribute("aria-pressed", String(isPressed));
  }
}
