/**
 * A whole model through the whole package: quantize, load, prefill, decode.
 *
 *     npm run bench:model -- MODEL.gguf [--calibration FILE] [--samples 32] [--threads 1] [--repetitions 5]
 *     npm run bench:model -- QUANTIZED_FOLDER
 *
 * Prefill and decode are repeated in turn after one warm-up, without tokenization or sampling; medians, lowest and highest are printed.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadModel, quantize } from "../src/index.ts";

const PROMPT_TOKENS = 512;
const DECODED_TOKENS = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    samples: { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    repetitions: { type: "string", default: "5" },
  },
});
const [source] = positionals;
if (source === undefined) throw new Error("usage: npm run bench:model -- MODEL.gguf|FOLDER [--calibration FILE] [--threads N]");

const say = (what: string, value: string) => console.log(`${what.padEnd(28)} ${value}`);
say("machine", `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);

const temporary = mkdtempSync(join(tmpdir(), "fptq-bench-"));
try {
  let folder = source;
  if (!statSync(source).isDirectory()) {
    folder = join(temporary, "w4a8");
    const calibration = values.calibration
      ? ({ kind: "text", name: values.calibration, text: readFileSync(values.calibration, "utf8") } as const)
      : undefined;
    const { seconds, bits_per_weight } = await quantize(source, { output: folder, samples: Number(values.samples), calibration });
    say(
      `quantize ${values.samples} x 512`,
      `${seconds.toFixed(1)} s, all cores, peak ${peakMegabytes()} MB, ${bits_per_weight.toFixed(2)} bits per weight`,
    );
  }

  const threads = Number(values.threads);
  const loads: number[] = [];
  const prefills: number[] = [];
  const decodes: number[] = [];
  for (let repetition = -1; repetition < Number(values.repetitions); repetition++) {
    const began = performance.now();
    const model = await loadModel(folder, { threads, contextSize: 1024 });
    const loaded = performance.now();
    const { forwardPass: pass, config } = model;
    const ids = Array.from({ length: PROMPT_TOKENS }, (_, i) => (i * 7919) % config.vocabSize);
    await pass.forward(ids.slice(0, 32), { logits: "last" });
    pass.truncate(0);
    const prefilling = performance.now();
    await pass.forward(ids, { logits: "last" });
    const prefilled = performance.now();
    pass.truncate(0);
    await pass.forward(ids.slice(0, 1), { logits: "last" });
    const decoding = performance.now();
    for (let i = 0; i < DECODED_TOKENS; i++) await pass.forward([ids[i]!], { logits: "last" });
    const decoded = performance.now();
    await model.dispose();
    if (repetition < 0) continue;
    loads.push((loaded - began) / 1000);
    prefills.push((PROMPT_TOKENS / (prefilled - prefilling)) * 1000);
    decodes.push((DECODED_TOKENS / (decoded - decoding)) * 1000);
  }
  say("load", `${spread(loads, 2)} s`);
  say(`prefill of ${PROMPT_TOKENS}, ${threads} thread(s)`, `${spread(prefills, 0)} tokens/s`);
  say(`decode of ${DECODED_TOKENS}, ${threads} thread(s)`, `${spread(decodes, 1)} tokens/s`);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

function spread(samples: number[], digits: number): string {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, median, high] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

function peakMegabytes(): string {
  return (process.resourceUsage().maxRSS / 1000).toFixed(0);
}
