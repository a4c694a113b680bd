/**
 * The builds for shared memory, made of the others: the engine takes them, their memory alone differs, and
 * what is no build is refused.
 */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import { kernelModules } from "../../src/kernels/kernel-modules.ts";
import { forSharedMemory } from "../../src/kernels/shared-memory.ts";
import { SIMD_BUILDS } from "./kernel-memory.ts";

const test = suite("builds for shared memory");
const bytesOf = (build: string) => new Uint8Array(readFileSync(new URL(`../../dist/wasm/fptq-${build}.wasm`, import.meta.url)));
const memory = (shared: boolean) => new WebAssembly.Memory({ initial: 2, maximum: 2, shared } as WebAssembly.MemoryDescriptor);
const simd128 = bytesOf("simd128");
/** More bytes than the types and the imports of a build take, which come first. */
const HEAD = 600;

for (const build of SIMD_BUILDS) {
  test(`${build}: takes a shared memory and no other, and exports the same`, () => {
    const [plain, shared] = [new WebAssembly.Module(bytesOf(build)), new WebAssembly.Module(forSharedMemory(bytesOf(build)))];
    assert.equal(WebAssembly.Module.exports(shared), WebAssembly.Module.exports(plain));
    assert.equal(WebAssembly.Module.imports(shared), WebAssembly.Module.imports(plain));
    assert.ok(new WebAssembly.Instance(shared, { env: { memory: memory(true) } }));
    assert.throws(() => new WebAssembly.Instance(shared, { env: { memory: memory(false) } }), "shared");
    assert.throws(() => new WebAssembly.Instance(plain, { env: { memory: memory(true) } }), "shared");
  });
}

test("all bytes but those of the import section stay", () => {
  const made = forSharedMemory(simd128);
  assert.is(made.length, simd128.length + 3, "a maximum of three bytes");
  // From the end backwards: the sections behind the imports.
  let same = 0;
  while (made[made.length - 1 - same] === simd128[simd128.length - 1 - same]) same++;
  assert.ok(same > simd128.length - HEAD, `${same} bytes at the end`);
});

test("what is no build is refused", () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const twice = forSharedMemory(simd128);
  for (const bytes of [empty, twice, Uint8Array.of(1, 2, 3, 4), simd128.subarray(0, 20)]) {
    assert.throws(
      () => forSharedMemory(bytes),
      (error: Error) => error instanceof CapabilityError,
    );
  }
});

test("cut short anywhere before the end of the imports, it is refused", () => {
  const accepted = Array.from({ length: HEAD }, (_, length) => {
    try {
      return forSharedMemory(simd128.slice(0, length)).length > 0;
    } catch (error) {
      assert.instance(error, CapabilityError, `${length} bytes`);
      return false;
    }
  });
  const end = accepted.indexOf(true);
  assert.ok(end > 100, "the types and the imports");
  assert.ok(accepted.slice(end).every(Boolean), "what follows is not looked at");
});

test("a build is compiled once, and tried again after a failure", async () => {
  let calls = 0;
  const modules = kernelModules(async () => {
    if (++calls === 1) throw new Error("not yet");
    return simd128;
  });
  await modules("simd128").then(() => assert.unreachable(), (error: Error) => assert.is(error.message, "not yet")); // prettier-ignore
  assert.is(await modules("simd128"), await modules("simd128"));
  await modules("simd128-threads");
  assert.is(calls, 3);
});

test("a compiled module has one thread; bytes that do not compile say which build", async () => {
  const failure = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: Error) => error); // prettier-ignore
  const compiled = kernelModules(async () => new WebAssembly.Module(simd128));
  assert.instance(await compiled("simd128"), WebAssembly.Module);
  assert.match(String(await failure(compiled("simd128-threads"))), /CapabilityError: kernels: "simd128" is a compiled module/);
  const broken = await failure(kernelModules(async () => simd128.slice(0, HEAD))("simd128"));
  assert.match(String(broken), /CapabilityError: kernels: cannot compile "simd128": /);
});

test.run();
