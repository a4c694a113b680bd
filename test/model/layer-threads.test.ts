import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Kernels } from "../../src/kernels/kernels.ts";
import { LayerThreads } from "../../src/model/layer-threads.ts";

const test = suite("layer threads");

/** Kernels whose layers are held up when several threads run them and `held` says so. */
function fakeKernels(threads: number, held: (layer: number) => boolean) {
  const used: number[] = [];
  const kernels = { threads, sleptMs: 0, useThreads: (count: number) => void used.push(count) };
  const layer = () => {
    if ((used.at(-1) ?? 1) > 1 && held(used.length)) kernels.sleptMs += 50;
  };
  return { kernels: kernels as unknown as Kernels, layer, used };
}

function warningsOf(held: (layer: number) => boolean, layers: number): string[] {
  const { kernels, layer } = fakeKernels(2, held);
  const warnings: string[] = [];
  const layerThreads = new LayerThreads(kernels, (message) => warnings.push(message), () => 0); // prettier-ignore
  for (let i = 0; i < layers; i++) layerThreads.run(1, 1, layer);
  return warnings;
}

test("threads that are held up often are one warning", () => {
  const warnings = warningsOf(() => true, 5000);
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, /^threads: 2 hold each other up, since other programs use the cores too/);
});

test("threads that are held up now and then, or wait a moment for each other, are none", () => {
  assert.equal(warningsOf((layer) => layer % 40 === 0, 5000), []); // prettier-ignore
  const { kernels, used } = fakeKernels(2, () => false);
  const layerThreads = new LayerThreads(kernels, () => assert.unreachable());
  const shortWait = () => void ((kernels as { sleptMs: number }).sleptMs += 0.5);
  for (let i = 0; i < 1000; i++) layerThreads.run(1, 1, shortWait);
  assert.is(used.length, 1000);
});

test("two threads that are slower than one are one warning, after seconds", () => {
  const warnings: [string, number][] = [];
  const { kernels, used } = fakeKernels(2, () => false);
  let now = 0;
  const layerThreads = new LayerThreads(kernels, (message) => warnings.push([message, now]), () => now); // prettier-ignore
  const layer = () => void (now += used.at(-1) === 2 ? 3 : 1);
  for (let i = 0; i < 20_000; i++) layerThreads.run(1, 1, layer);
  assert.is(warnings.length, 1);
  assert.ok(warnings[0]![1] > 2000 && warnings[0]![1] < 6000, `after ${warnings[0]![1]} ms`);
  assert.ok(used.filter((count) => count === 1).length > 18_000);
});

test("one thread is not counted", () => {
  const { kernels, layer, used } = fakeKernels(1, () => true);
  new LayerThreads(kernels, () => assert.unreachable()).run(1, 1, layer);
  assert.equal(used, []);
});

test.run();
