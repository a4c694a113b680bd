/** What a page is told where the browser offers less than a current one on a desk. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import { browserBlockStore } from "../../src/host/browser/browser-block-stores.ts";
import { kernelModules } from "../../src/kernels/kernel-modules.ts";
import { MemoryPlan } from "../../src/kernels/memory-plan.ts";
import { locateModel } from "../../src/sources/locate-model.ts";

const test = suite("browser limits");

/** Puts other values in place of properties while something runs. */
async function withProperties(holder: object, values: Record<string, unknown>, run: () => Promise<void>): Promise<void> {
  const before = Object.keys(values).map((key) => [key, Object.getOwnPropertyDescriptor(holder, key)] as const);
  for (const [key, value] of Object.entries(values)) Object.defineProperty(holder, key, { value, configurable: true });
  try {
    await run();
  } finally {
    for (const [key, descriptor] of before) {
      if (descriptor) Object.defineProperty(holder, key, descriptor);
      else delete (holder as Record<string, unknown>)[key];
    }
  }
}

const refused = () => Promise.reject(new DOMException("The operation is insecure.", "SecurityError"));
class WritableHandle {
  createWritable(): void {}
}

test("storage that a private window refuses is no cache, wherever it is refused, and no error", async () => {
  const folderRefused = { getDirectory: async () => ({ getDirectoryHandle: refused }) };
  for (const storage of [undefined, {}, { getDirectory: refused }, folderRefused]) {
    const window = { navigator: { storage }, FileSystemFileHandle: WritableHandle };
    await withProperties(globalThis, { ...window, caches: undefined }, async () =>
      assert.is(await browserBlockStore(), undefined),
    );
    await withProperties(globalThis, { ...window, caches: { open: refused } }, async () =>
      assert.is(await browserBlockStore(), undefined),
    );
    await withProperties(globalThis, { ...window, caches: { open: async () => ({}) } }, async () => {
      const store = await browserBlockStore();
      assert.is(store?.name, "the Cache API");
      const room = await store!.room!().catch((error: Error) => error.message);
      assert.ok(room === undefined || storage !== undefined, String(room));
    });
  }
});

test("a page that may keep nothing is told so once, unless it asked for that", async () => {
  const warningsWith = async (cache?: false) => {
    const warnings: string[] = [];
    const capabilities = { fetch: () => Promise.reject(new Error("no network")), defaultCache: async () => undefined };
    const options = { onWarning: (warning: string) => warnings.push(warning), ...(cache === false && { cache }) };
    const signal = AbortSignal.abort();
    await locateModel("https://example.org/model/", capabilities, { ...options, signal }).catch(() => undefined);
    return warnings.filter((warning) => warning.startsWith("cache: "));
  };
  assert.match((await warningsWith()).join("\n"), /^cache: this page may keep nothing .*$/);
  assert.equal(await warningsWith(false), []);
});

test("an engine without SIMD, and one without WebAssembly, are told apart from a damaged file", async () => {
  const module = kernelModules(async () => new Uint8Array([0, 97, 115, 109, 9, 9, 9, 9]));
  const messageOf = () =>
    module("simd128").then(
      () => "compiled",
      (error: unknown) => (error instanceof CapabilityError ? error.message : String(error)),
    );
  assert.match(await messageOf(), /^kernels: cannot compile "simd128": /);
  await withProperties(WebAssembly, { validate: () => false }, async () =>
    assert.match(await messageOf(), /^kernels: got an engine whose WebAssembly has no SIMD, need .* Safari 16\.4 or newer$/),
  );
  await withProperties(globalThis, { WebAssembly: undefined }, async () =>
    assert.match(await messageOf(), /^kernels: got no WebAssembly here, need it: Lockdown Mode/),
  );
});

test("memory that cannot be had is an error that says how much there is, and whether one thread would do", async () => {
  const { Memory } = WebAssembly;
  const plan = new MemoryPlan();
  plan.reserve("scratch", 64 * 65_536, "test");
  const messageWith = async (mostShared: number, most: number) => {
    let message = "";
    class Limited extends Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor & { shared?: boolean }) {
        if (descriptor.initial > (descriptor.shared ? mostShared : most)) throw new RangeError("could not allocate memory");
        super(descriptor);
      }
    }
    await withProperties(WebAssembly, { Memory: Limited }, async () => {
      try {
        plan.createMemory(true);
      } catch (error) {
        assert.instance(error, CapabilityError);
        message = (error as Error).message;
      }
    });
    return message;
  };
  assert.is(await messageWith(1000, 1000), "");
  assert.match(await messageWith(32, 1000), /needs \d+ bytes of shared memory, about \d+ are available; with threads: 1 /);
  assert.match(await messageWith(32, 32), /needs \d+ bytes of shared memory, about \d+ are available; a smaller contextSize/);
});

test.run();
