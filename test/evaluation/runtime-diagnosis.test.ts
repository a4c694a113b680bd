/** What is found out about a runtime, against runtimes that lack something. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, OptionError } from "../../src/errors.ts";
import { diagnose } from "../../src/evaluation/runtime-diagnosis.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Host } from "../../src/host/host.ts";

const test = suite("diagnose");

const { spawnWorker: _, platform: __, hardwareThreads: ___, ...single } = nodeHost;

test("a runtime with one thread says why, and is measured with it", async () => {
  const found = await diagnose({ ...single, threadsObstacle: "no workers here", crossOriginIsolated: false });
  assert.equal(found.threads, { planned: 1, hardware: undefined, cpuLimit: undefined, started: 1, obstacle: "no workers here" });
  assert.is(found.platform, undefined);
  assert.is(found.crossOriginIsolated, false);
  assert.equal(found.speeds.map(({ threads }) => threads), [1]); // prettier-ignore
  assert.is(found.builds[found.build!], "passed");
  assert.ok(found.features.simd && found.features.bulkMemory);
});

test("threads that do not start: why, and the speed of one", async () => {
  const failing: Host = {
    ...single,
    extraThreads: 1,
    spawnWorker: () => ({ ready: Promise.reject(new Error("no such script")), onDeath: () => {}, end: async () => {} }),
  };
  const { threads, speeds } = await diagnose(failing);
  assert.equal([threads.planned, threads.started, threads.obstacle], [2, 1, "no such script"]);
  assert.equal(speeds.map((speed) => speed.threads), [1]); // prettier-ignore
});

test("a build the engine cannot compile, and one that computes nothing right", async () => {
  // The kernels' exports without their instructions.
  const empty = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  const kernelModule = (build: string) =>
    build === "relaxed" ? Promise.resolve(empty) : Promise.reject(new Error("no SIMD in this engine"));
  const found = await diagnose({ ...single, kernelModule });
  const others = { "relaxed-i16": "missing", "relaxed-u8": "missing", "relaxed-s8": "missing" };
  assert.equal(found.builds, { simd128: "missing", relaxed: "wrong", ...others });
  assert.equal([found.build, found.speeds, found.threads.started], [undefined, [], 0]);
});

test("a process that can make no memory", async () => {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = function refuse() {
    throw new RangeError("could not allocate memory");
  } as never;
  try {
    for (const threads of [1, 2]) {
      const found = await diagnose(nodeHost, { threads });
      assert.is(found.builds.simd128, "untested");
      assert.equal([found.build, found.memoryLimit, found.speeds], [undefined, { bytes: 0, sharedBytes: 0 }, []]);
    }
  } finally {
    WebAssembly.Memory = Memory;
  }
});

test("a wrong option, and an abort", async () => {
  const error = (options: object) => diagnose(nodeHost, options).catch((reason: unknown) => reason);
  assert.instance(await error({ threads: 0 }), OptionError);
  assert.instance(await error({ threads: 1, signal: AbortSignal.abort() }), AbortError);
});

test("a clock that stands still ends the measurement without a figure", async () => {
  const { now } = performance;
  performance.now = () => 5;
  try {
    assert.equal((await diagnose(nodeHost, { threads: 1 })).speeds, []);
  } finally {
    performance.now = now;
  }
});

test.run();
