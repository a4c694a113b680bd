import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { type LoadOptions, resolveLoadOptions, resolveThreads } from "../../src/model/load-options.ts";
import { buildQuantizationConfig } from "../../src/checkpoint/quantization/quantization-config-builder.ts";
import {
  type CacheScheme,
  type LinearScheme,
  parseQuantizationConfig,
} from "../../src/checkpoint/quantization/quantization-config.ts";
import type { Architecture } from "../../src/architecture/model-config.ts";
import type { KeptForm } from "../../src/checkpoint/quantization/kept-form.ts";
import { checkpointView } from "../../src/checkpoint/checkpoint-view.ts";
import { linearModules } from "../linear-modules.ts";
import { tinyConfig, tinyModel } from "../tiny-model.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";

const test = suite("load options");

const { spawnWorker, extraThreads: _, hardwareThreads: __, ...single } = nodeHost;
const threaded: Host = { ...single, spawnWorker: spawnWorker!, extraThreads: 3, hardwareThreads: 8 };

function resolve(threads: number | undefined, runtime: Host) {
  const warnings: string[] = [];
  return { threads: resolveThreads({ threads, onWarning: (message) => warnings.push(message) }, runtime), warnings };
}

test("by default one per physical core, without a word", () => {
  assert.equal(resolve(undefined, threaded), { threads: 4, warnings: [] });
  assert.equal(resolve(undefined, single), { threads: 1, warnings: [] });
});

test("hardware threads beyond the cores are used when asked for; more than those too, with one warning", () => {
  assert.equal(resolve(8, threaded), { threads: 8, warnings: [] });
  const { threads, warnings } = resolve(9, threaded);
  assert.is(threads, 9);
  assert.equal(warnings, ["threads: 9 asked for, this machine runs 8 at a time; more than that slows all of them down"]);
});

test("without shared memory there is one thread, with one warning if more were asked for or could be had", () => {
  assert.equal(resolve(1, single), { threads: 1, warnings: [] });
  assert.equal(resolve(4, single), { threads: 1, warnings: ["threads: 4 asked for, one is used: node offers no shared memory"] });
  const isolated = { ...single, threadsObstacle: "the page is not cross-origin isolated" };
  assert.equal(resolve(undefined, isolated).warnings, ["threads: one is used: the page is not cross-origin isolated"]);
  assert.equal(resolve(4, isolated).warnings, ["threads: 4 asked for, one is used: the page is not cross-origin isolated"]);
  assert.equal(resolve(1, isolated).warnings, []);
});

test("the cache is as the caller says, else as the checkpoint does; int8 without stored scales has its own", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(3));
  const kvOf = (stored: CacheScheme | undefined, kvCache: LoadOptions["kvCache"]) => {
    const quantization = stored && { kvCache: stored, linear: () => undefined };
    const { kv } = resolveLoadOptions({ kvCache }, checkpointView(checkpoint, { config: tinyConfig(), quantization }));
    return `${kv.k} ${kv.v}`;
  };
  for (const [stored, byDefault, int8] of [
    [undefined, "f32", "q8t"],
    ["f32", "f32", "q8t"],
    ["q8", "q8", "q8"],
    ["q8t", "q8t", "q8t"],
  ] as const) {
    assert.is(kvOf(stored, undefined), `${byDefault} ${byDefault}`, stored);
    assert.is(kvOf(stored, "q8"), `${int8} ${int8}`, stored);
    assert.is(kvOf(stored, "q8t"), "q8t q8t", stored);
    assert.is(kvOf(stored, "f32"), "f32 f32", stored);
    assert.is(kvOf(stored, { v: "q8t" }), `${byDefault} q8t`, stored);
    assert.is(kvOf(stored, { k: "q8", v: "f32" }), `${int8} f32`, stored);
  }
  assert.throws(() => kvOf("q8", "q4" as never), /kvCache\.k: got "q4", need "f32", "q8" or "q8t"/);
});

test("beside kept weights the cache is int8, but for keys that have a bias or a norm", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(3));
  const keptForm = (): KeptForm => ({ form: "qb8w", groupSize: 32 });
  const kvOf = (architecture: Architecture, options: LoadOptions = {}) => {
    const { kv } = resolveLoadOptions(options, checkpointView(checkpoint, { config: tinyConfig(architecture), keptForm }));
    return `${kv.k} ${kv.v}`;
  };
  assert.is(kvOf("llama"), "q8t q8t");
  for (const architecture of ["qwen2", "qwen3"] as const) {
    assert.is(kvOf(architecture), "f32 q8t", architecture);
    assert.is(kvOf(architecture, { kvCache: "q8t" }), "q8t q8t", architecture);
    assert.is(kvOf(architecture, { weights: "f32" }), "f32 f32", architecture);
  }
});

test("8-bit floats are said to be simulated, once however many layers have them", async () => {
  const folder = tinyModel(3);
  const warningsOf = async (...kinds: LinearScheme["activations"]["kind"][]) => {
    const modules = linearModules(tinyConfig()).map(({ name }, i): [string, LinearScheme] => [
      name,
      { weights: "int4", groupSize: 32, activations: { kind: kinds[i % kinds.length]! } },
    ]);
    const quantization = parseQuantizationConfig(buildQuantizationConfig(new Map(modules), { kvCache: "f32" }), "built");
    const warnings: string[] = [];
    const checkpoint = { ...(await openSafetensorsCheckpoint(folder)), config: tinyConfig(), quantization } as Checkpoint;
    resolveLoadOptions({ onWarning: (message) => warnings.push(message), threads: 1 }, checkpoint);
    return warnings;
  };
  assert.equal(await warningsOf("dynamic", "none"), []);
  assert.equal((await warningsOf("fp8")).length, 1);
  assert.match(
    (await warningsOf("fp8", "dynamic"))[0]!,
    /^fp8 activations \(E4M3\) are simulated: rounded exactly, multiplied in float32$/,
  );
  assert.is((await warningsOf("fp8", "fp8-e5m2")).length, 2);
});

test.run();
