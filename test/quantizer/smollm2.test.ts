/** The quantizer on a real model against an independent implementation (`../shared/reference/README.md`). */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import type { QuantizationScheme } from "../../src/checkpoint/quantization/quantization-config.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { perplexity } from "../../src/evaluation/perplexity.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { absmax, type ActivationStats } from "../../src/quantizer/calibrate/activation-stats.ts";
import { samplesFromText } from "../../src/quantizer/calibrate/calibration-data.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import { quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { nodeHost } from "../../src/host/node.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { MemoryFile, MemoryOutputFolder } from "../memory-folder.ts";
import { type Perplexities, sharedFile, SMOLLM2, smollm2Reference } from "../shared-data.ts";

const test = suite("quantizing SmolLM2-135M");
const reference = smollm2Reference();
const gguf = sharedFile(SMOLLM2);
const [valid, heldOut] = ["data/wiki.valid.txt", "data/wiki.test.txt"].map(sharedFile);

/**
 * Rows of the reference with the recipe that says the same, and how far each figure may be off.
 *
 * Without activation rounding nothing is left to chance. With it, a change in the last bit of anything
 * upstream makes some activations round the other way, and the figures wander: int8, float16 and float32
 * embeddings gave 42.50, 42.68 and 42.53 for the second row, and 94.7 to 95.4 in the second halves of the
 * third, where one outlier leaves the other values of down_proj a few int8 steps.
 */
const ROWS: readonly {
  row: string;
  recipe: string;
  options?: RecipeOptions;
  weightOnly?: true;
  within: [all: number, half: number];
}[] = [
  { row: "W4A16 g64 RTN", recipe: "rtn", weightOnly: true, within: [1e-4, 1e-4] },
  { row: "W4A8 g64 RTN, per-token", recipe: "rtn", within: [0.01, 0.01] },
  { row: "W4A8 g64 RTN, static per-tensor everywhere", recipe: "rtn-static", within: [0.01, 0.03] },
  {
    row: "FPTQ g64 v0=15 v1=150 (o_proj and down_proj: static if v<=v0 (o: v<v1), else per-token; LAE on QKV and gate/up only)",
    recipe: "fptq",
    within: [0.01, 0.01],
  },
  { row: "SmoothQuant 0.5 W4A8 g64 per-token", recipe: "smoothquant", options: { weights: "int4" }, within: [0.01, 0.01] },
  {
    row: "SmoothQuant 0.5 W4A8 g64 static",
    recipe: "smoothquant",
    options: { weights: "int4", policy: "static" },
    within: [0.02, 0.03],
  },
  // Ours have one scale for each row rather than groups of 64.
  { row: "SmoothQuant 0.5 W8A8 g64 per-token", recipe: "smoothquant", within: [0.01, 0.01] },
  { row: "FPTQ g64 v0=0 v1=150 (LAE on all QKV, gate/up)", recipe: "fptq", options: { v0: 0 }, within: [0.01, 0.01] },
];

/**
 * The checkpoint as the reference has it: the embedding as in the source, and for W4A16 activations as they
 * are.
 */
function asReference(written: Checkpoint, source: Checkpoint, weightOnly: boolean): Checkpoint {
  const embedding = "model.embed_tokens.weight";
  const scheme = written.quantization!;
  const linear: QuantizationScheme["linear"] = (module) => {
    const stored = scheme.linear(module);
    return stored && weightOnly ? { ...stored, activations: { kind: "none" } } : stored;
  };
  const readF32: Checkpoint["readF32"] = (name, options) => (name === embedding ? source : written).readF32(name, options);
  const readRaw: Checkpoint["readRaw"] = (name, options) => written.readRaw(name, options);
  const fields = {
    tensors: new Map([...written.tensors, [embedding, source.tensors.get(embedding)!]]),
    quantization: { kvCache: scheme.kvCache, linear },
  };
  const keptForm: Checkpoint["keptForm"] = (module) => (`${module}.weight` === embedding ? undefined : written.keptForm(module));
  return checkpointView(written, { ...fields, readF32, readRaw, keptForm });
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

if (reference && gguf && valid && heldOut) {
  const source = await openCheckpoint({ kind: "file", file: new MemoryFile("SmolLM2.gguf", gguf) });
  const tokenizer = new Tokenizer(source.tokenizer!, "SmolLM2.gguf");
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  let stats: ActivationStats;

  test("every activation range of 16 chunks is the reference's", async () => {
    const samples = samplesFromText(decode(valid), { name: "wiki.valid.txt", encode, samples: 16, ctxSize: 512 });
    const started = performance.now();
    stats = await calibrate(source, samples, { host: nodeHost });
    const seconds = (performance.now() - started) / 1000;
    const { absmax: ranges, k_absmax, v_absmax } = reference.calibration;
    const expected = { qkv: ranges.qkv, o: ranges.o, up: ranges.fc1, down: ranges.down, k: k_absmax, v: v_absmax };
    let worst = 0;
    for (const [layer, layerStats] of stats.entries()) {
      for (const site of ["qkv", "o", "up", "down", "k", "v"] as const) {
        const relative = Math.abs(absmax(layerStats[site]!) / expected[site][layer]! - 1);
        // Six digits in the file; float32 sums in another order make about as much.
        assert.ok(relative < 1e-3, `layer ${layer} ${site}: got ${absmax(layerStats[site]!)}, expected ${expected[site][layer]}`);
        worst = Math.max(worst, relative);
      }
    }
    console.log(
      `\nfigure: calibration on 16 x 512 tokens: ${seconds.toFixed(1)} s, ranges within ${worst.toExponential(1)} of the reference`,
    );
  });

  const ids = encode(decode(heldOut).slice(0, 100_000));
  for (const { row, recipe: name, options = {}, weightOnly = false, within } of ROWS) {
    test(row, async () => {
      const groups = name === "smoothquant" && options.weights !== "int4" ? {} : { groupSize: 64 };
      const recipe = resolveRecipe(name, { ...options, ...groups, embedding: "f16", kvCache: "f32" });
      const output = new MemoryOutputFolder(name);
      const { seconds } = await quantizeWithStats(source, { stats }, recipe, output, { host: nodeHost });
      const written = await openSafetensorsCheckpoint(output.result);
      const model = await Transformer.load(asReference(written, source, weightOnly), nodeHost, {
        kvCache: "f32",
        head: "f32",
        contextSize: 512,
      });
      try {
        const { ppl, pplAllPositions } = await perplexity(model, ids, { contextSize: 512, chunks: 16 });
        const expected: Perplexities = reference.wikitext2_test_quantized_ppl[row]!;
        const [all, half] = [pplAllPositions / expected.all_positions, ppl / expected.second_half];
        console.log(
          `\nfigure: ${row.split(" (")[0]}: perplexity ${pplAllPositions.toFixed(3)} (${all.toFixed(4)} of the reference), ` +
            `second halves ${ppl.toFixed(3)} (${half.toFixed(4)}); quantized in ${seconds.toFixed(1)} s`,
        );
        assert.ok(Math.abs(all - 1) < within[0], `all positions: ${all} of the reference`);
        assert.ok(Math.abs(half - 1) < within[1], `second halves: ${half} of the reference`);
      } finally {
        await model.dispose();
      }
    });
  }
}

test.run();
