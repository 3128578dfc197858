/** The field for a type's name, completed from the types and the taxonomy. */
import { useSignal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { TypeName } from "./TypeName";
import { completeName } from "../state/names";

export interface NameFieldHandle {
  focus(): void;
}

interface Props {
  label: string;
  value: string;
  names: readonly string[];
  placeholder?: string;
  onInput: (value: string) => void;
  onAccept: (value: string) => void;
  /** With shift; as `onAccept` where it is left out. */
  onNameAlone?: (value: string) => void;
  onLeave?: () => void;
  handle?: { current: NameFieldHandle | null };
}

export function NameField(props: Props) {
  const { label, value, names, placeholder, onInput, onAccept, onNameAlone, onLeave, handle } = props;
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const open = useSignal(false);
  const chosen = useSignal(-1);
  const options = open.value ? completeName(value, names).filter((name) => name !== value) : [];
  useLayoutEffect(() => {
    if (handle) handle.current = { focus: () => input.current?.focus() };
    return () => {
      if (handle) handle.current = null;
    };
  }, [handle]);

  const take = (name: string) => {
    onInput(name);
    chosen.value = -1;
    open.value = false;
  };
  const step = (by: number) => {
    open.value = true;
    const count = completeName(value, names).filter((name) => name !== value).length;
    chosen.value = count === 0 ? -1 : (chosen.value + by + count + (by < 0 ? 1 : 0)) % count;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const option = options[chosen.value];
    const keys: Record<string, () => void> = {
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      Escape: () => {
        if (open.value && options.length > 0) open.value = false;
        else {
          input.current?.blur();
          onLeave?.();
        }
      },
      Enter: () => {
        const name = (option ?? value).trim();
        open.value = false;
        chosen.value = -1;
        if (name === "") return;
        input.current?.blur();
        if (event.shiftKey && onNameAlone) onNameAlone(name);
        else onAccept(name);
      },
    };
    // Tab completes while there is something to complete, and leaves the field otherwise.
    const first = option ?? options[0];
    if (first !== undefined && value.trim() !== "" && !event.shiftKey) {
      keys["Tab"] = () => take(first);
    }
    const action = event.isComposing ? undefined : keys[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  return (
    <div class="name-field">
      <label for={`${id}-input`}>{label}</label>
      <input
        id={`${id}-input`}
        ref={input}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        aria-expanded={options.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={chosen.value >= 0 ? `${id}-${chosen.value}` : undefined}
        placeholder={placeholder}
        value={value}
        onInput={(event) => {
          open.value = true;
          chosen.value = -1;
          onInput(event.currentTarget.value);
        }}
        onBlur={() => {
          open.value = false;
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-list`} role="listbox" aria-label="Names that fit" hidden={options.length === 0}>
        {options.map((name, at) => (
          <li
            key={name}
            id={`${id}-${at}`}
            role="option"
            aria-selected={at === chosen.value}
            onMouseDown={(event) => {
              event.preventDefault();
              take(name);
            }}
          >
            {name}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The names that a digit takes. */
export function Suggestions({ names, onTake }: { names: string[]; onTake: (name: string) => void }) {
  return (
    <ol class="suggestions" aria-label="Suggested names">
      {names.slice(0, 9).map((name, at) => (
        <li key={name}>
          <button
            type="button"
            class="chip"
            title={name}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => onTake(name)}
          >
            <kbd>{at + 1}</kbd>
            <span>
              <TypeName label={name} />
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** Binds 1 to 9 to the names. */
export function digitKeys(
  names: readonly string[],
  take: (name: string) => void,
): Record<string, () => void> {
  return Object.fromEntries(
    names.slice(0, 9).map((name, at) => [String(at + 1), () => take(name)]),
  );
}
