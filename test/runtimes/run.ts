/**
 * Runs one suite in every runtime and compares what they computed, bit for bit. Needs `npm run build` before.
 *
 *   npm run test:runtimes [-- NAME ...]     only runtimes whose name contains a NAME; "examples" for the
 *                                           servers of examples/
 *
 * A runtime that is not on this machine is skipped, but with FPTQ_REQUIRE_DATA set it is a failure.
 */
import { exampleChecks } from "./examples/run.ts";
import { SEED } from "./fixtures.ts";
import { NotInstalledError } from "./launch.ts";
import { prepare } from "./prepare.ts";
import { RUNTIMES, type TestedRuntime } from "./runtimes.ts";
import { type Check, type LogitsHash, MODELS, type SuiteResult } from "./suite.ts";

let passed = 0;
let failed = 0;
let skipped = 0;
function count(where: string, { name, ok, detail }: Check): boolean {
  if (ok) passed++;
  else failed++;
  if (!ok) console.log(`FAIL ${where}: ${name}${detail ? `\n     ${detail.replaceAll("\n", "\n     ")}` : ""}`);
  return ok;
}

function failedOrSkipped(where: string, error: unknown): void {
  if (error instanceof NotInstalledError && process.env["FPTQ_REQUIRE_DATA"] === undefined) {
    skipped++;
    console.log(`skip: ${where}: ${error.message}`);
  } else {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    count(where, { name: "ran to the end", ok: false, detail });
  }
}

function same(name: string, found: unknown, needed: unknown): Check {
  const [got, need] = [JSON.stringify(found), JSON.stringify(needed)];
  return { name, ok: got === need, detail: `got ${got}, need ${need}` };
}

/** What a runtime cannot judge alone. A page that is not isolated computes less than the others. */
function comparisons(result: Partial<SuiteResult>, { relaxed }: TestedRuntime, needed: SuiteResult): Check[] {
  const { quantized, tokens, text } = result;
  return [
    ...(relaxed === undefined ? [] : [same("relaxed SIMD", result.build?.startsWith("relaxed"), relaxed)]),
    ...(tokens === undefined ? [] : [same("tokens drawn with a seed", [tokens, text], [needed.tokens, needed.text])]),
    ...(quantized === undefined || needed.quantized === undefined ? [] : [same("tensors the quantizer wrote", quantized, needed.quantized)]), // prettier-ignore
  ];
}

const widths = [24, 16, 13, 9, ...MODELS.map(() => 18)];
const row = (...cells: readonly unknown[]) => console.log(cells.map((cell, i) => String(cell).padEnd(widths[i] ?? 0)).join("").trimEnd()); // prettier-ignore

/** One row for each way of computing. */
function printHashes(name: string, version: string, logits: readonly LogitsHash[]): void {
  for (const way of new Set(logits.map(({ build, threads }) => `${build} ${threads}`))) {
    const [build, threads] = way.split(" ");
    const hashes = logits.filter((entry) => `${entry.build} ${entry.threads}` === way);
    const of = (model: string) => [
      ...new Set(hashes.filter((entry) => entry.model === model).map(({ hash }) => hash.slice(0, 16))),
    ];
    row(name, version, build, threads, ...MODELS.map((model) => of(model).join(" ") || "-"));
  }
}

const patterns = process.argv.slice(2);
const chosen = RUNTIMES.filter(({ name }, i) => i === 0 || patterns.length === 0 || patterns.some((word) => name.includes(word)));
const { directory, smollm2 } = await prepare();
console.log(`tiny model of seed ${SEED}, and SmolLM2-135M; SHA-256 of the bits of f32[64, V], first 16 digits`);
row("runtime", "version", "build", "threads", ...MODELS);

let reference: SuiteResult | undefined;
/** Model -> hash -> who computed it. */
const all = new Map<string, Map<string, string[]>>(MODELS.map((model) => [model, new Map()]));
for (const runtime of chosen) {
  const { name, launch, threads, whole } = runtime;
  try {
    const { version, result } = (await launch(directory, { kind: "suite", threads, smollm2: whole && smollm2 })) as {
      version: string;
      result: SuiteResult;
    };
    reference ??= result;
    printHashes(name, version, result.logits);
    for (const { model, hash, ...way } of result.logits) {
      const hashes = all.get(model)!;
      hashes.set(hash, [...(hashes.get(hash) ?? []), `${name} ${way.build} ${way.threads}`]);
    }
    for (const check of [...result.checks, ...comparisons(result, runtime, reference)]) count(name, check);
  } catch (error) {
    failedOrSkipped(name, error);
    // Without something to compare with, nothing below would mean anything.
    if (reference === undefined) break;
  }
}
for (const [model, hashes] of all) {
  if (model === "smollm2" && !smollm2) continue;
  count("all runtimes", { name: `${model}: one hash`, ok: hashes.size === 1, detail: JSON.stringify([...hashes], null, 1) });
}
if (patterns.length === 0 || patterns.some((word) => "examples".includes(word))) {
  try {
    for (const check of await exampleChecks()) count("examples", check);
  } catch (error) {
    failedOrSkipped("examples", error);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
