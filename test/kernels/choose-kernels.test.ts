/**
 * The choice of a build: by what the engine's relaxed dot computes and costs, among those that pass the
 * self-test; what is missing or wrong is passed over, and asking for it fails.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import { chooseKernels } from "../../src/kernels/choose-kernels.ts";
import { type DotSpeeds, operandOf, rankBuilds, rankingOf } from "../../src/kernels/dot-probe.ts";
import { type BuildName, filesOf, type KernelBuild } from "../../src/kernels/kernel-build.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";
import { emulated, type Engine, ENGINES } from "./relaxed-engines.ts";

const test = suite("choose kernels");
const hasRelaxed = SIMD_BUILDS.includes("relaxed");

/** A runtime whose relaxed modules are `relaxed`. */
const runtimeWith = (relaxed: () => Promise<WebAssembly.Module>): Host => ({
  ...nodeHost,
  kernelModule: (build: KernelBuild) => (build.startsWith("relaxed") ? relaxed() : nodeHost.kernelModule(build)),
});
const missing = () => Promise.reject(new Error("no such file"));
/**
 * Adds where the products of 16-bit operands belong: i32x4.dot_i16x8_s (fd ba 01) to i32x4.mul (fd b5 01).
 */
const wrongOne = () => {
  const bytes = new Uint8Array(readFileSync(new URL("../../dist/wasm/fptq-simd128.wasm", import.meta.url)));
  for (let i = 0; i + 3 <= bytes.length; i++) {
    if (bytes[i] !== 0xfd || bytes[i + 1] !== 0xba || bytes[i + 2] !== 0x01) continue;
    bytes[i + 1] = 0xb5;
    if (WebAssembly.validate(bytes)) return Promise.resolve(new WebAssembly.Module(bytes));
    bytes[i + 1] = 0xba;
  }
  throw new Error("simd128: no product found");
};
const empty = () => Promise.resolve(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)));
const failure = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: unknown) => error); // prettier-ignore

test("relaxed modules that are missing, wrong or empty fall back to simd128", async () => {
  for (const relaxed of [missing, wrongOne, empty]) {
    const runtime = runtimeWith(relaxed);
    const { modules, build } = await chooseKernels(runtime, false);
    assert.is(build, "simd128");
    assert.equal(modules, [await nodeHost.kernelModule("simd128")]);
    for (const asked of ["relaxed", "relaxed-i16", "relaxed-u8", "relaxed-s8"] as const) {
      assert.instance(await failure(chooseKernels(runtime, false, asked)), CapabilityError, asked);
    }
  }
});

test("auto takes the first of the ranking that runs; any can be asked for", async () => {
  const { build, modules, reason } = await chooseKernels(nodeHost, false);
  if (hasRelaxed) assert.is(build, rankBuilds(await nodeHost.kernelModule("probe")).builds[0], reason);
  else assert.is(build, "simd128");
  assert.is(modules.length, filesOf(build).length);
  for (const asked of SIMD_BUILDS) assert.is((await chooseKernels(nodeHost, false, asked)).build, asked);
});

test("without the probe, relaxed comes first", async () => {
  const host: Host = { ...nodeHost, kernelModule: (file) => (file === "probe" ? missing() : nodeHost.kernelModule(file)) };
  assert.is((await chooseKernels(host, false)).build, hasRelaxed ? "relaxed" : "simd128");
});

test("operands are told apart by 127 times 255", () => {
  // Four products onto 0, in the three ways that engines have.
  const saturate = (value: number) => Math.max(-32768, Math.min(32767, value));
  assert.is(operandOf(4 * 127 * 255), "unsigned");
  assert.is(operandOf(4 * 127 * -1), "signed");
  assert.is(operandOf(2 * saturate(2 * 127 * 255)), "saturating");
  assert.is(operandOf(0), "other");
});

const speeds = (dot_i16x8: number, relaxed_dot_i32: number, relaxed_dot_i16: number): DotSpeeds => ({
  dot_i16x8,
  relaxed_dot_i32,
  relaxed_dot_i16,
});

test("what an operand tells is not measured", () => {
  const never = (): DotSpeeds => { throw new Error("measured"); }; // prettier-ignore
  assert.equal(rankingOf("saturating", never).builds, ["relaxed-i16", "simd128"]);
  assert.equal(rankingOf("unsigned", never).builds, ["relaxed-u8", "relaxed", "simd128"]);
});

test("signed operands: Arm with a dot product, without one, and a clock that stands still", () => {
  const first = (measured: DotSpeeds | undefined) => rankingOf("signed", () => measured).builds[0];
  assert.is(first(speeds(20, 80, 25)), "relaxed-s8");
  assert.is(first(speeds(20, 25, 30)), "relaxed-i16");
  assert.is(first(speeds(20, 24, 20)), "relaxed-s8");
  assert.is(first(speeds(20, 15, 18)), "simd128");
  assert.is(first(undefined), "relaxed-s8");
  assert.equal(rankingOf("other", () => undefined).builds, ["relaxed", "simd128"]);
});

/** A runtime whose engine computes relaxed dots in one of the ways there are. */
const runtimeOf = (engine: Engine): Host => {
  const modules = new Map<string, WebAssembly.Module>();
  return {
    ...nodeHost,
    kernelModule: async (file) => {
      const bytes = new Uint8Array(readFileSync(new URL(`../../dist/wasm/fptq-${file}.wasm`, import.meta.url)));
      const module = modules.get(file) ?? new WebAssembly.Module(file === "simd128" ? bytes : emulated(bytes, engine));
      modules.set(file, module);
      return module;
    },
  };
};
/** What runs on each, bit for bit. */
const FIT: Record<Engine, { auto: BuildName; also: BuildName[]; wrong: BuildName[] }> = {
  unsigned: { auto: "relaxed-u8", also: ["relaxed", "relaxed-i16"], wrong: ["relaxed-s8"] },
  signed: { auto: "relaxed-s8", also: ["relaxed", "relaxed-i16"], wrong: ["relaxed-u8"] },
  saturating: { auto: "relaxed-i16", also: ["relaxed"], wrong: ["relaxed-u8", "relaxed-s8"] },
};

for (const engine of ENGINES) {
  const { auto, also, wrong } = FIT[engine];
  test(`an engine whose operand is ${engine} runs ${auto}, and not what is for others`, async () => {
    const host = runtimeOf(engine);
    const { build, reason } = await chooseKernels(host, false);
    // Emulated dots cost what they cost: where timing decides, any form that is right may come first.
    if (engine === "signed") assert.ok([auto, ...also, "simd128"].includes(build), reason);
    else assert.is(build, auto, reason);
    for (const asked of [auto, ...also]) assert.is((await chooseKernels(host, false, asked)).build, asked);
    for (const asked of wrong) {
      const error = await failure(chooseKernels(host, false, asked));
      assert.instance(error, CapabilityError);
      assert.match((error as Error).message, `${asked} is asked for, and node ${process.versions.node} computes it wrongly`);
    }
  });
}

test.run();
