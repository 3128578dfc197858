/** What speaks for a proposal, beside its images. */
import type { Evidence, ProposalRow, Validation } from "../api/methods";
import { useStore } from "../state/context";
import { countImages, formatScore, formatShare } from "../state/facts";
import { useAnswer } from "../state/useAnswer";
import { Histogram, WaferMap } from "./Drawings";
import { Thumb } from "./Thumb";

interface Props {
  row: ProposalRow;
  validation: Validation | null;
}

export function EvidencePanel({ row, validation }: Props) {
  const evidence = useAnswer<Evidence>("evidence", { proposal: row.id }).json;
  return (
    <aside class="evidence" aria-label="Evidence" tabIndex={0}>
      {evidence?.warning && <p class="warning" role="note">{`These ${evidence.warning}.`}</p>}
      <Measures row={row} />
      <Pictures title="Most typical" images={validation?.exemplars ?? row.exemplars} />
      <Nearest validation={validation} />
      {evidence && evidence.associations.length > 0 && <Associations evidence={evidence} />}
      {evidence?.wafer && (
        <section>
          <h2>{describePlaces(evidence.wafer.name)}</h2>
          <WaferMap {...evidence.wafer} />
        </section>
      )}
      {evidence?.sizes && evidence.sizes.length > 0 && (
        <section>
          <h2>Sizes of the defects, µm</h2>
          <Histogram values={evidence.sizes} label="How many defects have which size" />
        </section>
      )}
    </aside>
  );
}

function describePlaces(name: string | undefined): string {
  return name ? `Places on the wafer: ${name}` : "Places on the wafer";
}

function Measures({ row }: { row: ProposalRow }) {
  const measures: [string, number | null, string][] = [
    ["Stability", row.stability, "how often these images stay together when some are left out"],
    ["Separation", row.separation, "how far they lie from the next group"],
    ["Cohesion", row.cohesion, "how much they look like each other"],
    ["Novelty", row.novelty, "how far they lie from the types already known"],
  ];
  return (
    <section>
      <h2>{countImages(row.size)}</h2>
      <dl class="measures">
        {measures.map(([name, value, meaning]) => (
          <div key={name} title={meaning}>
            <dt>{name}</dt>
            <dd>{formatScore(value)}</dd>
            <dd class="bar" aria-hidden="true">
              <span style={{ width: `${Math.max(0, Math.min(1, value ?? 0)) * 100}%` }} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Pictures({ title, images }: { title: string; images: number[] }) {
  const store = useStore();
  if (images.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <div class="pictures">
        {images.slice(0, 6).map((image, at) => (
          <button
            key={image}
            type="button"
            aria-label={`Open image ${image + 1}`}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => {
              store.dialog.value = { kind: "viewer", images, at };
            }}
          >
            <Thumb image={image} />
          </button>
        ))}
      </div>
    </section>
  );
}

function Nearest({ validation }: { validation: Validation | null }) {
  const nearest = validation?.nearest;
  if (!nearest) return null;
  const title = `Nearest type: ${nearest.label} (likeness ${formatScore(nearest.likeness)})`;
  return <Pictures title={title} images={nearest.images} />;
}

function Associations({ evidence }: { evidence: Evidence }) {
  return (
    <section>
      <h2>In common</h2>
      <table class="associations">
        <thead>
          <tr>
            <th scope="col">value</th>
            <th scope="col">here</th>
            <th scope="col">else</th>
          </tr>
        </thead>
        <tbody>
          {evidence.associations.map((one) => (
            <tr key={`${one.column} ${one.value}`} title={one.text}>
              <td>
                <span class="muted">{one.column}</span> {one.value}
              </td>
              <td>{formatShare(one.share_in)}</td>
              <td>{formatShare(one.share_out)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
