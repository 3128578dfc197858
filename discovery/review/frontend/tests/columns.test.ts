import { expect, test } from "vitest";
import { decodeAnswer } from "../src/api/columns";

/** Packs an answer as the server does. */
function pack(json: object, bodies: Uint8Array[]): ArrayBuffer {
  let header = new TextEncoder().encode(JSON.stringify(json));
  const padded = Math.ceil((4 + header.length) / 8) * 8 - 4;
  header = new Uint8Array([...header, ...new Array(padded - header.length).fill(32)]);
  const parts = [...bodies].map((body) => {
    const whole = new Uint8Array(Math.ceil(body.length / 8) * 8);
    whole.set(body);
    return whole;
  });
  const size = 4 + header.length + parts.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(size);
  new DataView(out.buffer).setUint32(0, header.length, true);
  out.set(header, 4);
  let at = 4 + header.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out.buffer;
}

test("columns of each type are read at their offsets", () => {
  const x = new Float32Array([1.5, -2, 3]);
  const codes = new Int32Array([-1, 7]);
  const json = {
    revision: 3,
    text: "größer",
    columns: [
      { name: "x", dtype: "f4", length: 3, offset: 0 },
      { name: "label", dtype: "i4", length: 2, offset: 16 },
      { name: "source", dtype: "u1", length: 3, offset: 24 },
    ],
  };
  const buffer = pack(json, [
    new Uint8Array(x.buffer),
    new Uint8Array(codes.buffer),
    new Uint8Array([0, 1, 2]),
  ]);
  const answer = decodeAnswer<{ revision: number; text: string }>(buffer);
  expect(answer.json.revision).toBe(3);
  expect(answer.json.text).toBe("größer");
  expect([...(answer.columns["x"] ?? [])]).toEqual([1.5, -2, 3]);
  expect([...(answer.columns["label"] ?? [])]).toEqual([-1, 7]);
  expect([...(answer.columns["source"] ?? [])]).toEqual([0, 1, 2]);
});
