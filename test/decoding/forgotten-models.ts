/**
 * Loads models, uses them and lets go of them without disposing; prints how many threads there were before,
 * meanwhile and after they were collected, and whether the memory of a model that was disposed and is held
 * was. Runs with --expose-gc.
 */
import { readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { loadModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";

const count = () => readdirSync("/proc/self/task").length;

async function use(threads: number): Promise<void> {
  const folder = tinyModel(71);
  const model = await loadModel({ kind: "folder", folder }, nodeHost, { threads, contextSize: 64 });
  await model.generate("a", { maxTokens: 4 }).result;
  for await (const piece of model.generate("a", { ignoreEos: true })) if (piece !== "") break;
  model.createSequence();
  held.push(count());
}

const held: number[] = [];
/** A model that is disposed and still held. */
const disposed = await loadModel({ kind: "folder", folder: tinyModel(71) }, nodeHost, { threads: 2 });
const memory = new WeakRef(disposed.forwardPass.kernels.memory);
await disposed.generate("a", { maxTokens: 4 }).result;
await disposed.dispose();
const before = count();
await Promise.all([use(3), use(3)]);
for (let left = 100; (count() > before || memory.deref()) && left > 0; left--) {
  await setTimeout(25); // what was looked at lives until then
  (globalThis as unknown as { gc(): void }).gc();
  await setTimeout(25);
}
const released = memory.deref() === undefined;
console.log(JSON.stringify({ before, loaded: Math.max(...held), after: count(), released, layers: disposed.config.layers }));
