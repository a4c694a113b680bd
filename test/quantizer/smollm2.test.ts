/** Calibration and three recipes on a real model against an independent implementation with the same settings. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { loadModel, perplexity } from "../../src/index.ts";
import { absmax, type ActivationStats } from "../../src/quantizer/activation-stats.ts";
import { calibrate } from "../../src/quantizer/calibrate.ts";
import { calibrationSamples } from "../../src/quantizer/calibration-source.ts";
import { quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import { type RecipeOptions, resolveRecipe } from "../../src/quantizer/recipe.ts";
import { nodeRuntime } from "../../src/runtime/node.ts";
import { openLocation } from "../../src/runtime/node-files.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { SMOLLM2, sharedData, smollm2Reference } from "../shared-data.ts";

const test = suite("SmolLM2 quantized");
const path = sharedData(SMOLLM2);
const validation = sharedData("data/wiki.valid.txt");
const text = sharedData("data/wiki.test.txt");
const reference = smollm2Reference();

/** The largest of 8192 values per channel, computed in another order of additions. */
const ABSMAX_TOLERANCE = 1e-3;
/** Rounding ties fall differently here and there; 8176 scored tokens average that to well below this. */
const PERPLEXITY_TOLERANCE = 1e-2;

/** The reference's rows, and the same settings as recipes. All with groups of 64, float embedding, head and KV cache. */
const ROWS: readonly [row: string, recipe: string, options: RecipeOptions][] = [
  ["W4A8 g64 RTN, per-token", "rtn", {}],
  ["W4A8 g64 RTN, static per-tensor everywhere", "rtn-static", {}],
  [
    "FPTQ g64 v0=15 v1=150 (o_proj and down_proj: static if v<=v0 (o: v<v1), else per-token; LAE on QKV and gate/up only)",
    "fptq",
    {},
  ],
  ["FPTQ g64 v0=0 v1=150 (LAE on all QKV, gate/up)", "fptq", { v0: 0 }],
];

if (path !== undefined && validation !== undefined && text !== undefined && reference !== undefined) {
  const checkpoint = await openCheckpoint(await openLocation(path));
  const { samples } = calibrationSamples(checkpoint, {
    calibration: { kind: "text", name: "wiki.valid.txt", text: readFileSync(validation, "utf8") },
    samples: 16,
    contextSize: 512,
  });
  let stats: ActivationStats;

  test("calibration on 16 x 512 tokens finds the reference's ranges", async () => {
    stats = await calibrate(checkpoint, samples, nodeRuntime);
    const { absmax: inputs, k_absmax, v_absmax } = reference.calibration;
    const expected = { qkv: inputs.qkv, o: inputs.o, gate_up: inputs.fc1, down: inputs.down, k: k_absmax, v: v_absmax };
    for (const [layer, found] of stats.entries()) {
      for (const [site, values] of Object.entries(expected)) {
        const range = absmax(found[site as keyof typeof expected]);
        const off = Math.abs(range / values[layer]! - 1);
        assert.ok(off <= ABSMAX_TOLERANCE, `layer ${layer}, ${site}: got ${range}, expected ${values[layer]}`);
      }
    }
  });

  for (const [row, name, options] of ROWS) {
    test(`perplexity of "${row}"`, async () => {
      const output = new MemoryOutputFolder("quantized");
      const recipe = resolveRecipe(name, { ...options, groupSize: 64, embedding: "f16", kvCache: "f32" });
      await quantizeWithStats(checkpoint, stats, recipe, output);
      const model = await loadModel({ kind: "folder", folder: output.result }, { contextSize: 512, head: "f32", kvCache: "f32" });
      const result = await perplexity(model, readFileSync(text, "utf8"), { contextSize: 512, chunks: 16 });
      await model.dispose();
      const { second_half, all_positions } = reference.wikitext2_test_quantized_ppl[row]!;
      console.log(`\nfigure: ${row}: perplexity ${result.ppl.toFixed(2)} (reference ${second_half.toFixed(2)}), all positions ` +
        `${result.pplAllPositions.toFixed(2)} (${all_positions.toFixed(2)})`); // prettier-ignore
      assert.ok(Math.abs(result.ppl / second_half - 1) < PERPLEXITY_TOLERANCE, `${result.ppl}`);
      assert.ok(Math.abs(result.pplAllPositions / all_positions - 1) < PERPLEXITY_TOLERANCE, `${result.pplAllPositions}`);
    });
  }

  test.after(() => checkpoint.close());
}

test.run();
