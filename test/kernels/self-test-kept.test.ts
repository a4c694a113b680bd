/** The self-test of the builds for kept weights: the digest is the scalar twins', and wrong modules fail. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BuildName, filesOf } from "../../src/kernels/kernel-build.ts";
import { KEPT_SELF_TEST_DIGEST, keptPassesSelfTest, keptSelfTestDigest } from "../../src/kernels/self-test-kept.ts";
import { forSharedMemory } from "../../src/kernels/shared-memory.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";
import { emulated, ENGINES } from "./relaxed-engines.ts";
import { withOpcode } from "./wrong-modules.ts";

const test = suite("self-test of kept weights");
const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const published = (name: string) => bytesOf(`dist/wasm/fptq-${name}.wasm`);
const modulesOf = (build: BuildName, shared = false) =>
  filesOf(build, true).map((name) => new WebAssembly.Module(shared ? forSharedMemory(published(name)) : published(name)));

test("the digest is that of the scalar twins", () => {
  const scalar = new WebAssembly.Module(bytesOf("build/fptq-scalar.wasm"));
  assert.is(keptSelfTestDigest([scalar], false), KEPT_SELF_TEST_DIGEST);
});

test("every build the engine can compile passes, with and without shared memory", () => {
  for (const build of SIMD_BUILDS) {
    for (const shared of [false, true]) {
      assert.ok(keptPassesSelfTest(modulesOf(build, shared), shared), `${build}, shared ${shared}`);
    }
  }
});

for (const engine of ENGINES) {
  test(`the 16-bit form passes on ${engine} operands, emulated`, () => {
    const form = new WebAssembly.Module(emulated(published("kept-relaxed-i16"), engine));
    assert.ok(keptPassesSelfTest([...modulesOf("simd128"), form], false));
  });
}

/** How many of some wrong modules pass, each over those below it. */
function missed(wrong: WebAssembly.Module[], below: readonly WebAssembly.Module[]): number {
  return wrong.filter((module) => keptPassesSelfTest([...below, module], false)).length;
}

test("one wrong instruction is seen", () => {
  const simd128 = published("kept-simd128");
  const wrong = [
    // i32x4.dot_i16x8_s to i32x4.mul: all products, and those of minima.
    ...withOpcode(simd128, [0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]),
    // i32x4.mul to i32x4.add: zero points and integer scales.
    ...withOpcode(simd128, [0xfd, 0xb5, 0x01], [0xfd, 0xae, 0x01]),
    // f32x4.sub to f32x4.add: minima.
    ...withOpcode(simd128, [0xfd, 0xe5, 0x01], [0xfd, 0xe4, 0x01]),
  ];
  assert.ok(wrong.length > 60, `${wrong.length} places found`);
  assert.is(missed(wrong, modulesOf("simd128").slice(0, -1)), 0, `of ${wrong.length} wrong modules`);
});

test("one wrong instruction of the 16-bit form is seen", () => {
  if (!SIMD_BUILDS.includes("relaxed-i16")) return;
  const form = published("kept-relaxed-i16");
  const wrong = [
    // i16x8.relaxed_dot_i8x16_i7x16_s to i8x16.relaxed_swizzle: products of activations and weights.
    ...withOpcode(form, [0xfd, 0x92, 0x02], [0xfd, 0x80, 0x02]),
    // i32x4.dot_i16x8_s to i32x4.mul: integer scales and minima.
    ...withOpcode(form, [0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]),
    // f32x4.sub to f32x4.add: minima.
    ...withOpcode(form, [0xfd, 0xe5, 0x01], [0xfd, 0xe4, 0x01]),
  ];
  assert.ok(wrong.length > 60, `${wrong.length} places found`);
  assert.is(missed(wrong, modulesOf("relaxed-i16").slice(0, -1)), 0, `of ${wrong.length} wrong modules`);
});

test("a module that lacks the kernels fails", () => {
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  assert.not(keptPassesSelfTest([...modulesOf("simd128").slice(0, -1), empty], false));
});

test.run();
