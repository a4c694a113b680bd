/** The self-test: its digest is the scalar twins', and one wrong instruction is seen. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { modulesOf } from "../../src/kernels/choose-kernels.ts";
import { passesSelfTest, SELF_TEST_DIGEST, selfTestDigest } from "../../src/kernels/self-test.ts";
import { nodeHost } from "../../src/host/node.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";
import { withOpcode } from "./wrong-modules.ts";

const test = suite("self-test");
const bytesOf = (path: string) => new Uint8Array(readFileSync(new URL(`../../${path}`, import.meta.url)));
const scalar = new WebAssembly.Module(bytesOf("build/fptq-scalar.wasm"));
const simd128 = bytesOf("dist/wasm/fptq-simd128.wasm");

// i32x4.dot_i16x8_s (fd ba 01) to i32x4.mul (fd b5 01): the instruction all integer products rest on.
const wrong = withOpcode(simd128, [0xfd, 0xba, 0x01], [0xfd, 0xb5, 0x01]);

test("the digest is that of the scalar twins", () => {
  assert.is(selfTestDigest([scalar], false), SELF_TEST_DIGEST);
});

test("every build the engine can compile passes, with and without shared memory", async () => {
  for (const build of SIMD_BUILDS) {
    for (const shared of [false, true]) {
      assert.ok(passesSelfTest(await modulesOf(nodeHost, shared, build), shared), `${build}, shared memory: ${shared}`);
    }
  }
});

test("one wrong instruction in a linear layer or int8 attention is seen", () => {
  assert.ok(wrong.length > 20, `${wrong.length} places found`);
  const missed = wrong.filter((module) => passesSelfTest([module], false)).length;
  assert.is(missed, 0, `of ${wrong.length} wrong modules, ${missed} passed`);
});

test.run();
