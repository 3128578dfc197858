import type { ComponentChildren } from "preact";

interface Props {
  children: ComponentChildren;
  onClick: () => void;
  /** The key that does the same. */
  hotkey?: string | undefined;
  kind?: "plain" | "primary" | "quiet" | undefined;
  disabled?: boolean | undefined;
  label?: string | undefined;
  title?: string | undefined;
  pressed?: boolean | undefined;
}

/** A button that leaves the focus where it is when clicked: the next key is for the images. */
export function Button(props: Props) {
  const { children, onClick, hotkey, kind = "plain", disabled, label, title, pressed } = props;
  return (
    <button
      type="button"
      class={`button ${kind}`}
      disabled={disabled}
      aria-label={label}
      aria-pressed={pressed}
      title={title}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onClick}
    >
      <span class="button-text">{children}</span>
      {hotkey && <Key name={hotkey} />}
    </button>
  );
}

export function Key({ name }: { name: string }) {
  return <kbd aria-hidden="true">{name}</kbd>;
}
