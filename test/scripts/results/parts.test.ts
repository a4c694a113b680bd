/** A row that is split by part, from its recipe to its figures, on a tiny model. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Measurement } from "../../../scripts/results/measure.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { MODEL_PARTS } from "../../../src/evaluation/float-parts.ts";
import { tinyModel } from "../../tiny-model.ts";

const test = suite("results by part (seed 73)");
const folder = mkdtempSync(join(tmpdir(), "fptq-results-parts-"));
test.after(() => rmSync(folder, { recursive: true }));

test("a row's loss by part, without evaluating anything else", async () => {
  const model = join(folder, "model");
  mkdirSync(model);
  for (const [name, { bytes }] of tinyModel(73).files) writeFileSync(join(model, name), bytes);
  const text = join(folder, "text.txt");
  writeFileSync(text, "a bc def ghij ".repeat(60));
  const settings = {
    ...DEFAULT_SETTINGS,
    model,
    text,
    calibration: text,
    contextSize: 32,
    partChunks: 2,
    samples: 2,
    threads: 1,
  };
  const options = { signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} };
  await using measurement = new Measurement(settings, options);
  const { parts, quantization, ...others } = await measurement.measure({
    id: "x",
    label: "X",
    recipe: "fptq",
    evaluate: ["parts"],
  });
  assert.equal(others, {});
  assert.ok(quantization!.bitsPerWeight > 4);
  assert.is(parts!.scored, 2 * 15);
  assert.equal(
    parts!.parts.map(({ part }) => part),
    MODEL_PARTS,
  );
  assert.ok(parts!.quantized.kld.value > parts!.parts[0]!.alone.kld.value);
  assert.ok(parts!.parts.at(-1)!.cumulative.kld.value < 1e-6);
});

test.run();
