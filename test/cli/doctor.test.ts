import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Diagnosis } from "../../src/evaluation/runtime-diagnosis.ts";
import * as fptq from "../../src/index.ts";
import { diagnosisDocument, diagnosisFields, verdict } from "../../src/cli/commands/doctor.ts";
import { type Machine, readMachine } from "../../src/cli/machine.ts";
import { formatFields } from "../../src/cli/table.ts";
import { runCli } from "./command-harness.ts";

const test = suite("doctor");

const PAGE: Diagnosis = {
  runtime: { name: "browser", version: "Firefox/140" },
  platform: undefined,
  features: { simd: true, relaxedSimd: false, threads: false, bulkMemory: true, saturatedFloatToInt: true, signExtensions: true, mutableGlobals: true, memory64: false }, // prettier-ignore
  builds: { simd128: "passed", relaxed: "missing", "relaxed-i16": "missing", "relaxed-u8": "unfit", "relaxed-s8": "missing" },
  build: "simd128",
  buildReason: "not measured",
  dotOperand: undefined,
  sharedMemory: false,
  threads: {
    planned: 1,
    hardware: undefined,
    cpuLimit: undefined,
    started: 1,
    obstacle: "this page is not cross-origin isolated",
  },
  memoryLimit: { bytes: 2 ** 32, sharedBytes: 0 },
  crossOriginIsolated: false,
  speeds: [{ threads: 1, gemmMacsPerSecond: 41.96e9, gemvBytesPerSecond: 12.3e9, streamBytes: 2 ** 27 }],
};

const doctor = (diagnosis: Diagnosis, ...words: string[]) =>
  runCli(["doctor", ...words], { library: { diagnose: () => Promise.resolve(diagnosis) } });

const MACHINE: Machine = { memory: 8 * 2 ** 30, freeMemory: 2 ** 30, memoryLimit: undefined, cores: 4 };

test("memory that the runtime does not tell is not told", () => {
  const silent = { ...MACHINE, memory: undefined, freeMemory: undefined };
  assert.match(formatFields(diagnosisFields(PAGE, silent)), /^RAM +not told$/m);
  assert.equal(diagnosisDocument(PAGE, silent).memory, { bytes: null, free: null, limit: null });
});

test("a line for everything that was found, nothing on stderr", async () => {
  const { code, stdout, stderr } = await doctor(PAGE);
  assert.is(code, 0);
  assert.is(stderr, "");
  assert.match(stdout, /^fptq {19}1\.2\.3\nruntime {16}browser Firefox\/140\n/);
  assert.is(
    `${formatFields(diagnosisFields(PAGE, MACHINE))}\n`,
    `runtime                browser Firefox/140
machine                not told
cores                  4 physical
RAM                    8.00 GiB, 1.00 GiB free
WebAssembly            simd, bulkMemory, saturatedFloatToInt, signExtensions, mutableGlobals
without                relaxedSimd, threads, memory64
build simd128          passes the self-test; chosen
build relaxed          cannot be compiled by this engine
build relaxed-i16      cannot be compiled by this engine
build relaxed-u8       for engines whose relaxed dot takes another operand
build relaxed-s8       cannot be compiled by this engine
relaxed dot            none: this engine has no relaxed SIMD
chosen by              not measured
shared memory          no
threads                1 of 1 started: this page is not cross-origin isolated
memory limit           4.00 GiB, shared 0 B
cross-origin isolated  no
GEMM, threads: 1       42.0 GMAC/s
GEMV, threads: 1       12.3 GB/s of 128.0 MiB
`,
  );
});

test("a container's quota has a line", async () => {
  const threads = { planned: 1, hardware: 1, cpuLimit: 1.5, started: 1, obstacle: undefined };
  const { stdout } = await doctor({ ...PAGE, threads });
  assert.match(stdout, /\nthreads +1 of 1 started\nCPU limit +1\.50 processors, by this container's quota\n/);
  const document = JSON.parse((await doctor({ ...PAGE, threads }, "--json")).stdout);
  assert.equal(document.threads, { planned: 1, hardware: 1, cpu_limit: 1.5, started: 1, obstacle: null });
});

test("--json: the same as one document, null for what is not known", async () => {
  const { stdout } = await doctor(PAGE, "--json");
  const { threads, platform, cross_origin_isolated: isolated, speeds, ...rest } = JSON.parse(stdout);
  assert.equal(Object.keys(rest), [
    "version",
    "runtime",
    "cores",
    "memory",
    "wasm_features",
    "builds",
    "build",
    "build_reason",
    "dot_operand",
    "shared_memory",
    "memory_limit",
    "verdict",
  ]);
  assert.equal(threads, {
    planned: 1,
    hardware: null,
    cpu_limit: null,
    started: 1,
    obstacle: "this page is not cross-origin isolated",
  });
  assert.equal([platform, isolated], [null, false]);
  assert.equal(speeds, [{ threads: 1, gemm_macs_per_second: 41.96e9, gemv_bytes_per_second: 12.3e9, stream_bytes: 2 ** 27 }]);
});

test("without a build that computes right: what was found, and exit 1", async () => {
  const { code, stdout, stderr } = await doctor({
    ...PAGE,
    builds: { ...PAGE.builds, simd128: "missing", relaxed: "wrong" },
    build: undefined,
    buildReason: undefined,
    speeds: [],
  });
  assert.is(code, 1);
  assert.match(stdout, /\nbuild simd128 +cannot be compiled by this engine\nbuild relaxed +fails the self-test/);
  assert.match(stdout, /\nspeed +not measured\n\nNo build of the kernels can run here: no model runs\.\n/);
  assert.is(stderr, "error: kernels: got no build that can run here, need one\n");
});

test("the whole, on this machine", async () => {
  const { code, stdout, stderr } = await runCli(["doctor", "-t", "2", "--json"], { library: fptq });
  assert.is(code, 0, stderr);
  const { runtime, platform, builds, threads, memory_limit: limit, speeds } = JSON.parse(stdout);
  assert.equal(runtime, { name: "node", version: process.versions.node });
  assert.equal([platform.os, platform.arch], [process.platform, process.arch]);
  assert.is(builds.simd128, "passed");
  assert.equal([threads.planned, threads.started, threads.obstacle], [2, 2, null]);
  assert.ok(limit.bytes >= 2 ** 28 && limit.bytes <= 2 ** 32 && limit.shared_bytes >= 2 ** 28, stdout);
  assert.equal(speeds.map((speed: { threads: number }) => speed.threads), [1, 2]); // prettier-ignore
  for (const speed of speeds) {
    assert.ok(speed.gemm_macs_per_second > 1e8 && speed.gemm_macs_per_second < 1e13, stdout);
    assert.ok(speed.gemv_bytes_per_second > 1e7 && speed.gemv_bytes_per_second < 1e12, stdout);
  }
});

const GOOD: Diagnosis = {
  ...PAGE,
  runtime: { name: "node", version: "26.10.0" },
  features: { ...PAGE.features, relaxedSimd: true },
  build: "relaxed-u8",
  dotOperand: "unsigned",
  threads: { planned: 4, hardware: 8, cpuLimit: undefined, started: 4, obstacle: undefined },
};

for (const [what, diagnosis, machine, isAsked, expected] of [
  ["nothing", GOOD, MACHINE, false, [/^Nothing to mend/]],
  [
    "an old Node",
    { ...GOOD, runtime: { name: "node", version: "20.20.2" }, features: PAGE.features, dotOperand: undefined },
    MACHINE,
    false,
    [/^Node 22 or newer would make prefill faster: .*, which node 20\.20\.2 cannot \(docs\/benchmarks\.md/],
  ],
  [
    "another engine",
    { ...GOOD, runtime: PAGE.runtime, features: PAGE.features },
    MACHINE,
    false,
    [/^An engine with relaxed SIMD/],
  ],
  [
    "a quota",
    { ...GOOD, threads: { ...GOOD.threads, cpuLimit: 1.5 } },
    MACHINE,
    false,
    [/^This container may use 1\.50 of 4 cores/],
  ],
  [
    "an obstacle",
    { ...GOOD, threads: { ...GOOD.threads, obstacle: "no memory is shared" } },
    MACHINE,
    false,
    [/: no memory is shared\.$/],
  ],
  ["-t 1", { ...GOOD, threads: { ...GOOD.threads, planned: 1 } }, MACHINE, true, [/^1 of 4 cores were asked for/]],
  ["little memory", GOOD, { ...MACHINE, memoryLimit: 2 ** 30 }, false, [/^This container has less memory/]],
  ["two things", { ...GOOD, speeds: [] }, { ...MACHINE, memoryLimit: 2 ** 30 }, false, [/less memory/, /^No speed was measured/]],
] as const) {
  test(`the verdict on ${what}`, () => {
    const found = verdict(diagnosis, machine, isAsked);
    assert.is(found.length, expected.length, found.join("\n"));
    expected.forEach((pattern, i) => assert.match(found[i]!, pattern));
  });
}

test("memory a container may take is told where it is less than there is", () => {
  const limited = (bytes: number | undefined) => readMachine({ constrainedMemory: () => bytes }, 2 ** 33).memoryLimit;
  assert.equal([2 ** 30, 2 ** 33, 2 ** 64, 0, undefined].map(limited), [2 ** 30, undefined, undefined, undefined, undefined]);
  assert.is(readMachine({}, 2 ** 33).memoryLimit, undefined);
  const fields = new Map(diagnosisFields(PAGE, { ...MACHINE, memoryLimit: 2 ** 30 }));
  assert.is(fields.get("RAM"), "8.00 GiB, 1.00 GiB free; this container may take 1.00 GiB");
});

test("a bad number of threads is exit 2", async () => {
  const { code, stderr } = await doctor(PAGE, "-t", "0");
  assert.is(code, 2);
  assert.match(stderr, /--threads/);
});

test.run();
