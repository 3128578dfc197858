/** The end: what nobody looked at gets the types that it looks like, in one go. */
import { useEffect, useRef } from "preact/hooks";
import type { RestPlan } from "../api/methods";
import { Button } from "../components/Button";
import { PictureRow } from "../components/PictureRow";
import { ScreenHead } from "../components/ScreenHead";
import { useKeys } from "../keys/keys";
import { useStore } from "../state/context";
import { countImages, formatScore } from "../state/facts";
import { useAnswer } from "../state/useAnswer";

export function Rest() {
  const store = useStore();
  const revision = store.snapshot.value?.revision ?? 0;
  const asked = useAnswer<RestPlan>("rest", {}, revision);
  const deciding = useRef(false);
  const types = asked.json?.types ?? [];
  const count = types.reduce((sum, type) => sum + type.count, 0);
  useEffect(() => store.watch.restart(), [asked.json]);
  const commit = async () => {
    if (asked.loading || count === 0 || deciding.current) return;
    deciding.current = true;
    try {
      if (await store.act({ name: "label_rest" })) await store.advance();
    } finally {
      deciding.current = false;
    }
  };
  useKeys({ Enter: () => void commit() });
  if (count === 0) {
    return (
      <section class="screen empty">
        <p>
          {asked.loading
            ? "Looking at what is left …"
            : "Nothing can be labelled: two types need names, and images that nobody looked at."}
        </p>
        <Button hotkey="." onClick={() => void store.advance()}>
          What comes next
        </Button>
      </section>
    );
  }
  return (
    <section class="screen rest-screen" aria-label="The rest">
      <ScreenHead
        title="The rest"
        detail={`${countImages(count)} that nobody looked at`}
        why={store.place.value.why}
      />
      <div class="decide">
        <Button kind="primary" hotkey="Enter" disabled={asked.loading} onClick={() => void commit()}>
          Label {countImages(count)}
        </Button>
        <p class="muted counts">
          Expected right {formatScore(asked.json?.expected_right)} of all images then. They count as
          labelled with their group: anything a person says of one outweighs it.
        </p>
      </div>
      <div class="work">
        <div class="pane scroll parts" tabIndex={0} role="region" aria-label="What each type gets">
          {types.map((type) => (
            <section key={type.label}>
              <h2>
                {type.label} <span class="muted">{countImages(type.count)}</span>
              </h2>
              <PictureRow images={type.images} />
            </section>
          ))}
        </div>
      </div>
    </section>
  );
}
