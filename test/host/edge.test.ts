/** Edge platforms: imported modules are taken as they are; anything else is refused with what to add. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import type { KernelBuild } from "../../src/kernels/kernel-build.ts";
import { edgeHost } from "../../src/host/edge.ts";

const test = suite("edge runtimes");
const simd128 = new WebAssembly.Module(readFileSync(new URL("../../dist/wasm/fptq-simd128.wasm", import.meta.url)));

const failure = (build: KernelBuild, imported: object, kernels?: object) =>
  edgeHost(
    "edge-light",
    imported,
    "?module",
  )({ kernels: kernels as never })
    .kernelModule(build)
    .then(
      () => assert.unreachable("no error"),
      (error: Error) => error,
    ) as Promise<Error>;

test("a module that was imported, or is given in its place, is the kernels'", async () => {
  assert.is(await edgeHost("workerd", { simd128 }, "")({}).kernelModule("simd128"), simd128);
  assert.is(await edgeHost("workerd", {}, "")({ kernels: { simd128 } }).kernelModule("simd128"), simd128);
});

test("there are no threads", () => assert.is(edgeHost("workerd", { simd128 }, "")({}).spawnWorker, undefined));

test("what a bundler made of an import instead is refused, with the import to add", async () => {
  for (const [made, found] of [
    ["./fptq-simd128-X1.wasm", "a string"],
    [new Uint8Array(8), "an object"],
    [undefined, "nothing"],
  ] as const) {
    const error = await failure("simd128", { simd128: made });
    assert.instance(error, CapabilityError);
    assert.match(error.message, new RegExp(`got ${found} for "simd128", need a WebAssembly.Module`));
    assert.match(error.message, 'import simd128 from "fptq/wasm/fptq-simd128.wasm?module" and pass { kernels: { simd128 } }');
  }
});

test("the quantizer's module is not imported: a program that quantizes is told to add it, beside the others", async () => {
  const error = await failure("quantizer", { simd128 });
  assert.instance(error, CapabilityError);
  assert.match(
    error.message,
    'import quantizer from "fptq/wasm/fptq-quantizer.wasm?module" and pass { kernels: { simd128, quantizer } }',
  );
});

test("given kernels take the place of all imported ones", async () => {
  const error = await failure("relaxed", { relaxed: simd128 }, { simd128 });
  assert.match(error.message, 'got nothing for "relaxed", need a WebAssembly.Module');
  assert.match(error.message, "pass { kernels: { simd128, relaxed } }");
});

test.run();
