/**
 * How fast the kernels are in a runtime, by the two that bound a model: the 4-bit GEMM, which is prefill, and
 * the 4-bit GEMV over more weights than caches hold, which is decode.
 *
 * What is measured is what a model can reach, not what instructions could: the GEMM unpacks, scales and
 * stores too (over nine tenths of the dot product's peak, docs/kernels.md), the GEMV multiplies what it
 * reads.
 */
import { throwIfAborted } from "../errors.ts";
import { BOARD_BYTES } from "../kernels/threads/job-board.ts";
import { chooseKernels } from "../kernels/choose-kernels.ts";
import type { BuildName } from "../kernels/kernel-build.ts";
import { type Kernels, kernelSizes } from "../kernels/kernels.ts";
import { MemoryPlan } from "../kernels/memory-plan.ts";
import { openKernels } from "../kernels/open-kernels.ts";
import { NULL, type Pointer } from "../kernels/pointer.ts";
import type { Host } from "../host/host.ts";
import { Xoshiro128 } from "../decoding/sampling/random.ts";

/** How fast the 4-bit kernels are. */
export interface KernelSpeed {
  /** The calling one included. */
  readonly threads: number;
  /**
   * Multiply-accumulates a second of the GEMM, 128 rows, N = 256, K = 4096, G = 128: half a MiB of weights.
   */
  readonly gemmMacsPerSecond: number;
  /** Packed weights a second that the GEMV reads, from `streamBytes` of them, which no usual cache holds. */
  readonly gemvBytesPerSecond: number;
  /** Bytes of packed weights the GEMV reads. */
  readonly streamBytes: number;
}

export interface KernelMeasurement {
  readonly build: BuildName;
  /** Why it was chosen. */
  readonly reason: string;
  /**
   * The speeds of one thread and, if more were asked for and started, of all. Empty where the clock stands
   * still while a program computes.
   */
  readonly speeds: readonly KernelSpeed[];
  /** Threads that took part. */
  readonly started: number;
  /** The reason why the others did not start. */
  readonly failure: string | undefined;
}

const [M, N, K, G] = [128, 256, 4096, 128] as const;
/** Tried in turn: a phone may refuse the first. */
const STREAM_BYTES = [128, 64, 32, 16].map((mebibytes) => mebibytes * 2 ** 20);
/** Channels packed at a time. */
const PACKED_ROWS = 64;
/** Clocks of pages tick every 5 us to 1 ms, so calls are timed in batches; between them events run. */
const BATCH_MS = 10;
const PHASE_MS = 200;

/**
 * @param threads to start, the calling one included
 * @throws CapabilityError if there is no build or no memory; AbortError
 */
export async function measureKernels(host: Host, threads: number, signal: AbortSignal | undefined): Promise<KernelMeasurement> {
  const { build, reason, kernels, problem } = await openProblem(host, threads);
  try {
    const failure = await kernels
      .threadsStarted({ signal })
      .catch((error: Error) => (error.cause instanceof Error ? error.cause.message : error.message));
    await fill(kernels, problem, host, signal);
    const speeds: KernelSpeed[] = [];
    for (const count of kernels.threads > 1 ? [1, kernels.threads] : [1]) {
      const gemm = await secondsOf(() => runGemm(kernels, problem, count), host, signal);
      const gemv = await secondsOf(() => runGemv(kernels, problem, count), host, signal);
      if (gemm === undefined || gemv === undefined) break;
      const { streamBytes } = problem;
      speeds.push({ threads: count, gemmMacsPerSecond: (M * N * K) / gemm, gemvBytesPerSecond: streamBytes / gemv, streamBytes });
    }
    return { build, reason, speeds, started: kernels.threads, failure };
  } finally {
    await kernels.dispose();
  }
}

/** The addresses of everything. */
interface Problem {
  readonly x: Pointer;
  readonly q: Pointer;
  readonly scales: Pointer;
  readonly sums: Pointer;
  readonly source: Pointer;
  readonly sourceScales: Pointer;
  readonly weights: Pointer;
  readonly y: Pointer;
  readonly scratch: Pointer;
  /** Channels of the GEMV, and the bytes they take. */
  readonly channels: number;
  readonly streamBytes: number;
}

async function openProblem(host: Host, threads: number) {
  const shared = threads > 1;
  const { modules, build, reason } = await chooseKernels(host, shared);
  const sizes = kernelSizes(modules, shared);
  for (const [attempt, bytes] of STREAM_BYTES.entries()) {
    const channels = Math.floor(bytes / sizes.packed_bytes_qb4w(PACKED_ROWS, K, G)) * PACKED_ROWS;
    const streamBytes = sizes.packed_bytes_qb4w(channels, K, G) >>> 0;
    const plan = new MemoryPlan();
    const reserve = (size: number) => plan.reserve("scratch", size, "the measurement");
    const board = reserve(BOARD_BYTES);
    const scratch = Array.from({ length: threads }, () => reserve(sizes.linear_scratch_bytes(M, K)));
    const problem: Problem = {
      x: reserve(4 * M * K),
      q: reserve(M * K),
      scales: reserve(4 * M),
      sums: reserve((4 * M * K) / G),
      source: reserve((PACKED_ROWS * K) / 2),
      sourceScales: reserve((4 * PACKED_ROWS * K) / G),
      weights: reserve(streamBytes),
      y: reserve(4 * Math.max(M * N, channels)),
      scratch: scratch[0]!,
      channels,
      streamBytes,
    };
    try {
      return {
        build,
        reason,
        problem,
        kernels: openKernels(host, { plan, modules, shared, board, scratch }),
      };
    } catch (error) {
      if (attempt === STREAM_BYTES.length - 1) throw error;
    }
  }
  throw new RangeError("sizes: got none to measure with, need at least one");
}

/** Random activations and weights; every block of channels is the same, which no cache knows. */
async function fill(kernels: Kernels, problem: Problem, host: Host, signal: AbortSignal | undefined): Promise<void> {
  const { run } = kernels;
  const { x, q, scales, sums, source, sourceScales, weights, channels } = problem;
  const random = Xoshiro128.fromSeed(0);
  const floats = kernels.f32(x, M * K);
  for (let i = 0; i < floats.length; i++) floats[i] = 2 * random.nextDouble() - 1;
  const words = kernels.i32(source, (PACKED_ROWS * K) / 8);
  for (let i = 0; i < words.length; i++) words[i] = 2 ** 32 * random.nextDouble() - 2 ** 31;
  kernels.f32(sourceScales, (PACKED_ROWS * K) / G).fill(2 ** -6);
  run.quantize_f32_qd8(x, q, scales, sums, K, G, 0, M);
  for (let row = 0; row < channels; row += PACKED_ROWS) {
    run.pack_qb4w(source, sourceScales, weights, row, PACKED_ROWS, channels, K, G);
    if (row % (64 * PACKED_ROWS) > 0) continue;
    await host.yieldToEvents();
    throwIfAborted(signal, "measurement");
  }
}

function runGemm(kernels: Kernels, { q, scales, sums, weights, y, scratch }: Problem, threads: number): void {
  const work = [q, scales, sums, weights, NULL, y, M, N, K, G] as const;
  if (threads > 1) kernels.split("gemm_qd8_f32_qb4w_x8c4", N / 8, ...work);
  else kernels.run.gemm_qd8_f32_qb4w_x8c4(...work, 0, N / 8, scratch);
}

function runGemv(kernels: Kernels, { q, scales, sums, weights, y, scratch, channels }: Problem, threads: number): void {
  const work = [q, scales, sums, weights, NULL, y, channels, K, G] as const;
  if (threads > 1) kernels.split("gemv_qd8_f32_qb4w_1x8c4", channels / 8, ...work);
  else kernels.run.gemv_qd8_f32_qb4w_1x8c4(...work, 0, channels / 8, scratch);
}

/**
 * Seconds of a call: of the fastest batch, after a warm-up in which the engine compiles. undefined where no
 * time passes.
 */
async function secondsOf(
  call: () => void,
  { yieldToEvents }: Host,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  let calls = 1;
  let best = Infinity;
  const began = performance.now();
  // Bounded by number too: a clock may stand still.
  for (let batch = 0, now = began; batch < 200 && now < began + 2 * PHASE_MS; batch++) {
    await yieldToEvents();
    throwIfAborted(signal, "measurement");
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    now = performance.now();
    const elapsed = now - start;
    if (elapsed === 0 && batch > 4) return undefined;
    if (elapsed < BATCH_MS) calls = Math.min(2 * calls, Math.ceil((calls * BATCH_MS) / Math.max(elapsed, 0.1)));
    else if (now > began + PHASE_MS) best = Math.min(best, elapsed / calls);
    // A call so slow that the time is over before the second phase begins.
    if (best === Infinity && now >= began + 2 * PHASE_MS) best = elapsed / calls;
  }
  return best / 1000;
}
