/** Reads an answer with columns: the length of a JSON header, the header, then the columns. */
import type { Answer, ColumnArray, Columns } from "./transport";

export interface ColumnHeader {
  name: string;
  dtype: "f4" | "i4" | "u1";
  length: number;
  offset: number;
}

const LENGTH_BYTES = 4;

export function makeColumn(header: ColumnHeader, buffer: ArrayBuffer, start: number): ColumnArray {
  switch (header.dtype) {
    case "f4":
      return new Float32Array(buffer, start, header.length);
    case "i4":
      return new Int32Array(buffer, start, header.length);
    case "u1":
      return new Uint8Array(buffer, start, header.length);
  }
}

export function decodeAnswer<T>(buffer: ArrayBuffer): Answer<T> {
  const length = new DataView(buffer).getUint32(0, true);
  const body = LENGTH_BYTES + length;
  const text = new TextDecoder().decode(new Uint8Array(buffer, LENGTH_BYTES, length));
  const json = JSON.parse(text) as T & { columns?: ColumnHeader[] };
  const columns: Columns = {};
  for (const header of json.columns ?? []) {
    columns[header.name] = makeColumn(header, buffer, body + header.offset);
  }
  return { json, columns };
}
