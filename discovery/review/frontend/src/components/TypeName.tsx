/** The last part of a type's path first: what types differ in must not be what is cut off. */
export function TypeName({ label }: { label: string }) {
  const at = label.lastIndexOf("/");
  if (at < 0) return <>{label}</>;
  return (
    <>
      {label.slice(at + 1)} <span class="muted">{label.slice(0, at)}</span>
    </>
  );
}
