/**
 * Kernels that are part of the text: files put together come apart again, and what is published holds the
 * files beside it.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { deinterleave, interleave } from "../../src/host/interleave.ts";
import { INLINE_FILES } from "../../src/kernels/kernel-build.ts";
import { mulberry32 } from "../random.ts";

const SEED = 17;
const test = suite(`inline kernels (seed ${SEED})`);

test("files of any lengths, around the size of a piece too, come out as they went in", () => {
  const random = mulberry32(SEED);
  const lengths = [0, 1, 8191, 8192, 8193, 20_000];
  for (const first of lengths) {
    for (const second of lengths) {
      const files = [first, second].map((length) => Uint8Array.from({ length }, () => 256 * random()));
      const whole = interleave(files);
      assert.is(whole.length, first + second);
      assert.equal(deinterleave(whole, [first, second]), files);
    }
  }
});

test("the published text holds all builds", async () => {
  const { text, lengths } = inlined(readFileSync(new URL("../../dist/inline.js", import.meta.url), "utf8"));
  const stream = new Blob([Buffer.from(text, "base64")]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const files = deinterleave(new Uint8Array(await new Response(stream).arrayBuffer()), lengths);
  for (const [i, name] of INLINE_FILES.entries()) {
    const file = readFileSync(new URL(`../../dist/wasm/fptq-${name}.wasm`, import.meta.url));
    assert.ok(Buffer.from(files[i]!).equals(file), name);
  }
});

function inlined(source: string): { text: string; lengths: number[] } {
  const [, json] = /= (\{ ?"text".*\});$/m.exec(source)!;
  const { text, lengths } = JSON.parse(json!) as { text: string; lengths: Record<string, number> };
  assert.equal(Object.keys(lengths), [...INLINE_FILES]);
  return { text, lengths: Object.values(lengths) };
}

test.run();
