/** The notebook widget, in anywidget's form. */
import { mountApp } from "./app";
import { WidgetTransport, type WidgetModel } from "./api/widget";

/** The model as the widget itself uses it: its height is set from Python. */
interface SizedModel extends WidgetModel {
  get(name: "height"): number;
  on(event: "msg:custom" | "change:height", handler: (...values: never[]) => void): void;
  off(event: "msg:custom" | "change:height", handler: (...values: never[]) => void): void;
}

function render({ model, el }: { model: SizedModel; el: HTMLElement }): () => void {
  // The notebook's own shortcuts would delete a cell at the second press of d.
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.tabIndex = -1;
  const resize = (): void => {
    el.style.height = `${model.get("height")}px`;
  };
  resize();
  model.on("change:height", resize);
  const transport = new WidgetTransport(model);
  const unmount = mountApp(el, transport, el);
  return () => {
    model.off("change:height", resize);
    unmount();
    transport.close();
  };
}

export default { render };
