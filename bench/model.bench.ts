/**
 * A whole model through the whole package: quantize, load, prefill, decode.
 *
 *     npm run bench:model -- MODEL.gguf [--calibration FILE] [--samples 32] [--threads 1] [--repetitions 5]
 *     npm run bench:model -- QUANTIZED_FOLDER [--build auto|simd128|relaxed] [--depth 0] [--profile]
 *
 * Prefill and decode are repeated in turn after one warm-up, without tokenization or sampling; medians,
 * lowest and highest are printed. Decode begins at a depth of so many tokens. --profile prints also what each
 * kernel takes of one pass, and what is outside of kernels.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type LoadOptions, loadModel, quantize } from "../src/index.ts";
import { KernelTimes } from "./kernel-times.ts";

const PROMPT_TOKENS = 512;
const DECODED_TOKENS = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    samples: { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    repetitions: { type: "string", default: "5" },
    build: { type: "string", default: "auto" },
    depth: { type: "string", default: "0" },
    profile: { type: "boolean", default: false },
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
  const depth = Number(values.depth);
  const options: LoadOptions = {
    threads,
    build: values.build as LoadOptions["build"],
    contextSize: Math.max(PROMPT_TOKENS, depth + DECODED_TOKENS),
  };
  const loads: number[] = [];
  const prefills: number[] = [];
  const decodes: number[] = [];
  for (let repetition = -1; repetition < Number(values.repetitions); repetition++) {
    const began = performance.now();
    const model = await loadModel(folder, options);
    const loaded = performance.now();
    const { forwardPass: pass, config } = model;
    const times = values.profile ? new KernelTimes(pass.kernels) : undefined;
    const ids = Array.from({ length: Math.max(PROMPT_TOKENS, depth) }, (_, i) => (i * 7919) % config.vocabSize);
    await pass.forward(ids.slice(0, 32), { logits: "last" });
    const elapsed = async (from: number, work: () => Promise<unknown>) => {
      pass.truncate(from);
      times?.reset();
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    const prefill = await elapsed(0, () => pass.forward(ids.slice(0, PROMPT_TOKENS), { logits: "last" }));
    const inPrefill = times?.report(1, prefill);
    pass.truncate(0);
    await pass.forward(ids.slice(0, Math.max(1, depth)), { logits: "last" });
    const decode = await elapsed(depth, async () => {
      for (let i = 0; i < DECODED_TOKENS; i++) await pass.forward([ids[i]!], { logits: "last" });
    });
    if (repetition === Number(values.repetitions) - 1 && times) {
      console.log([`prefill of ${PROMPT_TOKENS}, ${pass.kernelBuild}, ${threads} thread(s)`, ...inPrefill!].join("\n"));
      console.log(
        [`decode of a token at depth ${depth}, ${pass.kernelBuild}`, ...times.report(DECODED_TOKENS, decode)].join("\n"),
      );
    }
    await model.dispose();
    if (repetition < 0) continue;
    loads.push((loaded - began) / 1000);
    prefills.push((PROMPT_TOKENS / prefill) * 1000);
    decodes.push((DECODED_TOKENS / decode) * 1000);
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
