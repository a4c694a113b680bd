/** The oracle itself, against logits that transformers computed (`../shared/reference/README.md`). */
import { readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { readSafetensorsHeader, readSafetensorsRows } from "../../src/checkpoint/safetensors/safetensors.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { sharedData } from "../shared-data.ts";
import { simulate, type SimulationOptions } from "./float-simulation.ts";
import { roundHalfEven } from "./round-half-even.ts";

const test = suite("float simulation against transformers");
const tiny = sharedData("reference/tiny");

/** For each position the largest difference, in units of the largest logit of all. */
async function differences(model: string, options: SimulationOptions = {}): Promise<number[]> {
  const path = `${tiny}/${model}`;
  const files = readdirSync(path).map((file) => [file, Uint8Array.from(readFileSync(`${path}/${file}`))] as const);
  const folder = new MemoryFolder(model, files);
  const expected = await readSafetensorsHeader(await folder.open("expected.safetensors"));
  const read = async (name: string) => Uint8Array.from(await readSafetensorsRows(expected.source, expected.tensors.get(name)!));
  const ids = Array.from(new BigInt64Array((await read("input_ids")).buffer), Number);
  const logits = new Float32Array((await read("logits")).buffer);

  const actual = await simulate(await openSafetensorsCheckpoint(folder), ids, options);
  assert.is(actual.length, logits.length);
  const largest = logits.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  const V = logits.length / ids.length;
  const off = ids.map((_, position) => {
    const row = logits.subarray(position * V, (position + 1) * V);
    return row.reduce((worst, value, v) => Math.max(worst, Math.abs(value - actual[position * V + v]!)), 0) / largest;
  });
  console.log(`\nfigure: float simulation of ${model}: worst logit off by ${Math.max(...off).toExponential(1)} of the largest`);
  return off;
}

if (tiny !== undefined) {
  // transformers works in float32, whose rounding through three layers costs about 1e-6; a wrong formula
  // costs 1e-2 and more. A static activation rounds to the same int8 on both sides: none of these lies so
  // near a tie.
  for (const model of ["llama-tied", "llama3-rope", "mistral-window", "llama-tied-w4a8-static"]) {
    test(model, async () => assert.ok(Math.max(...(await differences(model))) < 1e-5));
  }

  // These two were converted to 16 bits before their logits were computed, rotary frequencies included.
  for (const [model, roundFrequency] of [
    ["qwen2", (exact: number) => f16ToF32(f32ToF16(exact))],
    ["qwen3", (exact: number) => bf16ToF32(f32ToBf16(exact))],
  ] as const) {
    test(`${model}, with rotary frequencies rounded as the reference rounds them`, async () =>
      assert.ok(Math.max(...(await differences(model, { roundFrequency }))) < 1e-5));
    // With exact frequencies angles differ by up to 2^-9 of the position: visible, and small for 40
    // positions.
    test(`${model}, loosely, with exact frequencies`, async () => assert.ok(Math.max(...(await differences(model))) < 5e-3));
  }

  // compressed-tensors scales tokens by absmax/127.5, this project by absmax/127.
  test("llama-tied-w4a8-mixed, loosely", async () => assert.ok(Math.max(...(await differences("llama-tied-w4a8-mixed"))) < 1e-1));
}

test("half-even rounding", () => {
  const cases = [
    [0.5, 0], [1.5, 2], [2.5, 2], [-0.5, 0], [-1.5, -2], [-2.5, -2], [0.49, 0], [0.51, 1], [-3.7, -4], [7, 7],
  ] as const; // prettier-ignore
  for (const [x, expected] of cases) assert.ok(roundHalfEven(x) === expected, `${x}`);
});

test.run();
