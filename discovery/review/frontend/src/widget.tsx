/** The notebook widget, in anywidget's form. */
import { mountApp } from "./app";
import { WidgetTransport, type WidgetModel } from "./api/widget";

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const transport = new WidgetTransport(model);
  const unmount = mountApp(el, transport, el);
  return () => {
    unmount();
    transport.close();
  };
}

export default { render };
