/** The self-test of the builds for kept weights: the digest is the scalar twins', and wrong modules fail. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filesOf } from "../../src/kernels/kernel-build.ts";
import { KEPT_SELF_TEST_DIGEST, keptPassesSelfTest, keptSelfTestDigest } from "../../src/kernels/self-test-kept.ts";
import { forSharedMemory } from "../../src/kernels/shared-memory.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";
import { withOpcode } from "./wrong-modules.ts";

const test = suite("self-test of kept weights");
const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const moduleOf = (name: string, shared = false) => {
  const bytes = bytesOf(`dist/wasm/fptq-${name}.wasm`);
  return new WebAssembly.Module(shared ? forSharedMemory(bytes) : bytes);
};

test("the digest is that of the scalar twins", () => {
  const scalar = new WebAssembly.Module(bytesOf("build/fptq-scalar.wasm"));
  assert.is(keptSelfTestDigest([scalar], false), KEPT_SELF_TEST_DIGEST);
});

test("every build the engine can compile passes, with and without shared memory", () => {
  for (const build of SIMD_BUILDS) {
    // The kept kernels go with the whole build that a form is used with.
    const [whole] = filesOf(build);
    for (const shared of [false, true]) {
      const passes = keptPassesSelfTest(moduleOf(whole!, shared), moduleOf(`kept-${whole}`, shared), shared);
      assert.ok(passes, `${build}, shared ${shared}`);
    }
  }
});

test("one wrong instruction is seen", () => {
  const inference = moduleOf("simd128");
  const simd128 = bytesOf("dist/wasm/fptq-kept-simd128.wasm");
  const wrong = [
    // i32x4.dot_i16x8_s to i32x4.mul: all products, and those of minima.
    ...withOpcode(simd128, [0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]),
    // i32x4.mul to i32x4.add: zero points and integer scales.
    ...withOpcode(simd128, [0xfd, 0xb5, 0x01], [0xfd, 0xae, 0x01]),
    // f32x4.sub to f32x4.add: minima.
    ...withOpcode(simd128, [0xfd, 0xe5, 0x01], [0xfd, 0xe4, 0x01]),
  ];
  assert.ok(wrong.length > 60, `${wrong.length} places found`);
  const missed = wrong.filter((module) => keptPassesSelfTest(inference, module, false)).length;
  assert.is(missed, 0, `of ${wrong.length} wrong modules, ${missed} passed`);
});

test("a module that lacks the kernels fails", () => {
  const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  assert.not(keptPassesSelfTest(moduleOf("simd128"), empty, false));
});

test.run();
