/** A page's module: fetches kernels and folders from the server that sent it. */
import { loadModel, locateModel, MemoryBlockStore, quantize } from "fptq/core";
import { browserRuntime } from "../../../src/runtime/browser.ts";
import { browserBlockStore, cacheApiBlockStore } from "../../../src/runtime/browser-block-stores.ts";
import { folderIn, type FoldersJson, locationIn } from "../folders.ts";
import { sourceChecks } from "../sources.ts";
import { type Check, RECIPE, runSuite, type SuiteResult } from "../suite.ts";

export async function run(): Promise<SuiteResult> {
  const folders = (await (await fetch("/folders.json")).json()) as FoldersJson;
  const runtime = browserRuntime((build) => `/fptq-${build}.wasm`);
  const result = await runSuite({
    load: (name, options) => loadModel(locationIn(folders, name), runtime, options),
    quantize: (output) => quantize(locationIn(folders, "f32"), output, runtime, RECIPE),
  });
  const privateFiles = await browserBlockStore();
  const stores = { "private files": privateFiles, "the Cache API": cacheApiBlockStore(await caches.open("test")) };
  const checks = await sourceChecks({ loadModel, locateModel, MemoryBlockStore }, runtime, folderIn(folders, "w4a8"), stores);
  checks.push({ name: "a page has private files", ok: privateFiles?.name === "this page's private files" });
  return { ...result, checks: [...result.checks, ...checks, await withoutMediaType(), await missing()] };
}

async function withoutMediaType(): Promise<Check> {
  const module = await browserRuntime((build) => `/untyped/fptq-${build}.wasm`).kernelModule("simd128");
  return { name: "kernels from a server that does not know their media type", ok: module instanceof WebAssembly.Module };
}

async function missing(): Promise<Check> {
  const error: unknown = await browserRuntime(() => "/none.wasm").kernelModule("simd128").catch((caught: unknown) => caught); // prettier-ignore
  const ok = error instanceof Error && error.name === "CapabilityError";
  return { name: "kernels that are not there are a CapabilityError", ok, detail: String(error) };
}
