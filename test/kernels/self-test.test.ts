/**
 * The choice of a build by its results: the digest is the scalar twins', wrong or missing relaxed modules
 * fall back, and asking for one fails.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import type { KernelBuild } from "../../src/kernels/kernel-build.ts";
import { chooseModule, passesSelfTest, SELF_TEST_DIGEST, selfTestDigest } from "../../src/kernels/self-test.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";

const test = suite("self-test");
const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const scalar = new WebAssembly.Module(bytesOf("build/fptq-scalar.wasm"));
const simd128 = bytesOf("dist/wasm/fptq-simd128.wasm");

/**
 * Every place where simd128 holds `from`, an opcode of the 0xfd prefix, turned into `to`: valid code with the
 * same exports, other bits.
 */
function withOpcode(from: number[], to: number[]): WebAssembly.Module[] {
  const found: WebAssembly.Module[] = [];
  for (let i = 0; i + from.length <= simd128.length; i++) {
    if (!from.every((byte, j) => simd128[i + j] === byte)) continue;
    const changed = simd128.slice();
    changed.set(to, i);
    if (WebAssembly.validate(changed)) found.push(new WebAssembly.Module(changed));
  }
  return found;
}

// i32x4.dot_i16x8_s (fd ba 01) to i32x4.mul (fd b5 01): the instruction all integer products rest on.
const wrong = withOpcode([0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]);

/** A runtime whose relaxed build is `relaxed`. */
const runtimeWith = (relaxed: () => Promise<WebAssembly.Module>): Host => ({
  ...nodeHost,
  kernelModule: (build: KernelBuild) => (build.startsWith("relaxed") ? relaxed() : nodeHost.kernelModule(build)),
});

const missing = () => Promise.reject(new Error("no such file"));
const wrongOne = () => Promise.resolve(wrong[0]!);
const empty = () => Promise.resolve(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)));
const failure = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: unknown) => error); // prettier-ignore

test("the digest is that of the scalar twins", () => {
  assert.is(selfTestDigest(scalar, false), SELF_TEST_DIGEST);
});

test("every build the engine can compile passes, with and without shared memory", async () => {
  for (const build of SIMD_BUILDS) {
    assert.ok(passesSelfTest(await nodeHost.kernelModule(build), false), build);
    assert.ok(passesSelfTest(await nodeHost.kernelModule(`${build}-threads`), true), `${build}-threads`);
  }
});

test("one wrong instruction in a linear layer or int8 attention is seen", () => {
  assert.ok(wrong.length > 20, `${wrong.length} places found`);
  const missed = wrong.filter((module) => passesSelfTest(module, false)).length;
  assert.is(missed, 0, `of ${wrong.length} wrong modules, ${missed} passed`);
});

test("a relaxed build that is missing, wrong or traps falls back to simd128", async () => {
  for (const relaxed of [missing, wrongOne, empty]) {
    const runtime = runtimeWith(relaxed);
    const { module, instructionSet } = await chooseModule(runtime, false);
    assert.is(instructionSet, "simd128");
    assert.is(module, await nodeHost.kernelModule("simd128"));
    assert.instance(await failure(chooseModule(runtime, false, "relaxed")), CapabilityError);
  }
});

test("auto takes relaxed where it can, and simd128 can be forced", async () => {
  assert.is((await chooseModule(nodeHost, false)).instructionSet, SIMD_BUILDS.at(-1));
  assert.is((await chooseModule(nodeHost, false, "simd128")).instructionSet, "simd128");
});

test.run();
