import type { ComponentChildren } from "preact";
import type { Status } from "../api/methods";

interface Props {
  title: string;
  detail?: string;
  status?: Status;
  why?: string;
  children?: ComponentChildren;
}

/** The line at the top of a screen: what is shown, and why it is shown now. */
export function ScreenHead({ title, detail, status, why, children }: Props) {
  return (
    <header class="screen-head">
      <h1>{title}</h1>
      {status && status !== "open" && <span class={`status ${status}`}>{status}</span>}
      {detail && <span class="detail">{detail}</span>}
      {why && (
        <span class="why" title={why}>
          {why}
        </span>
      )}
      {children}
    </header>
  );
}
