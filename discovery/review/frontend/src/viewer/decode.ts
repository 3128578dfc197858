/** From an address to pixels, beside the page so that a large image does not stop it. */

/** Fetches and decodes an address or a file; throws what the server said. */
export async function decodePicture(
  source: string | Blob,
  signal: AbortSignal,
): Promise<ImageBitmap> {
  if (typeof source !== "string") return createImageBitmap(source);
  if (/^(blob|data):/.test(source)) return decodeElement(source);
  const response = await fetch(source, { signal });
  if (!response.ok) throw new Error(await readError(response));
  return createImageBitmap(await response.blob());
}

/** The page may not fetch an address of its own memory, but an element may show it. */
async function decodeElement(source: string): Promise<ImageBitmap> {
  const element = new Image();
  element.src = source;
  await element.decode();
  return createImageBitmap(element);
}

async function readError(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: string };
    if (error) return error;
  } catch {
    // No JSON: the status must do.
  }
  return `the image cannot be loaded (${response.status})`;
}
