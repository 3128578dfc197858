/** The line at the top: where the round stands, undo and redo, what runs, who else is here. */
import { useStore } from "../state/context";
import { formatCount, formatScore, formatShare } from "../state/facts";
import { Button } from "./Button";

export const SCREENS = [
  ["validate", "Validate"],
  ["grow", "Grow"],
  ["doubt", "Doubt"],
  ["merge", "Merge"],
  ["rest", "Rest"],
  ["types", "Types"],
  ["map", "Map"],
  ["images", "All images"],
] as const;

export function Header() {
  const store = useStore();
  const snapshot = store.snapshot.value;
  const theme = store.settings.theme.value;
  return (
    <header class="top">
      <div class="drawer-button">
        <Button
          label="List of proposals and types"
          kind="quiet"
          pressed={store.drawer.value}
          onClick={() => {
            store.drawer.value = !store.drawer.value;
          }}
        >
          ☰
        </Button>
      </div>
      <nav class="tabs" aria-label="Screens">
        {SCREENS.map(([screen, name]) => (
          <button
            key={screen}
            type="button"
            aria-current={store.place.value.screen === screen ? "page" : undefined}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => store.go(screen)}
          >
            {name}
          </button>
        ))}
      </nav>
      <ProgressText />
      <JobText />
      <div class="undo">
        <HistoryButton name="Undo" hotkey="u" text={snapshot?.undo ?? null} action="undo" />
        <HistoryButton name="Redo" hotkey="⇧U" text={snapshot?.redo ?? null} action="redo" />
      </div>
      <div class="top-end">
        <Button
          kind="quiet"
          label={`Theme: ${theme}`}
          title={`Theme: ${theme}`}
          onClick={() => store.settings.nextTheme()}
        >
          {theme === "auto" ? "◐" : theme === "light" ? "☀" : "☾"}
        </Button>
        <Button
          kind="quiet"
          label="Keys"
          title="Keys (?)"
          onClick={() => {
            store.dialog.value = { kind: "keys" };
          }}
        >
          ?
        </Button>
      </div>
    </header>
  );
}

function ProgressText() {
  const store = useStore();
  const progress = store.snapshot.value?.progress;
  const right = store.expectedRight.value;
  if (!progress) return <div class="progress" />;
  const parts = [
    `${formatCount(progress.decisions)} decision${progress.decisions === 1 ? "" : "s"}`,
    `${formatShare(progress.named_share)} of the images named`,
  ];
  if (right !== null) parts.push(`expected right ${formatScore(right)}`);
  const text = parts.join(", ");
  return (
    <div class="progress" title={text}>
      <span class="whole">{text}</span>
      <span class="short">
        {formatShare(progress.named_share)} named
        {right !== null && `, right ${formatScore(right)}`}
      </span>
      <progress max={1} value={progress.named_share} aria-label="Share of the images named" />
    </div>
  );
}

function JobText() {
  const store = useStore();
  const job = store.job.value;
  if (!job || job.status !== "running") return null;
  const cancel = () => {
    store.call("cancel", { id: job.job }).catch((error: unknown) => store.tellError(error));
  };
  return (
    <div class="job" role="status">
      <span title={job.text}>{job.text || job.kind}</span>
      <progress max={1} value={job.share} aria-label="Share done" />
      <Button kind="quiet" onClick={cancel}>
        Cancel
      </Button>
    </div>
  );
}

interface HistoryProps {
  name: string;
  hotkey: string;
  text: string | null;
  action: "undo" | "redo";
}

function HistoryButton({ name, hotkey, text, action }: HistoryProps) {
  const store = useStore();
  return (
    <Button
      kind="quiet"
      hotkey={hotkey}
      disabled={text === null}
      title={text === null ? `Nothing to ${action}` : `${name}: ${text}`}
      onClick={() => void store.act({ name: action })}
    >
      {name}
      {text !== null && <span class="undo-text"> {text}</span>}
    </Button>
  );
}
