/**
 * Where the time of a forward pass goes: each kernel's own milliseconds on the calling thread, and what is
 * left.
 */
import type { Kernels } from "../src/kernels/kernels.ts";

interface KernelTime {
  readonly name: string;
  calls: number;
  milliseconds: number;
}

/**
 * Puts a clock around every kernel of a loaded model, for good. What reading it costs is measured too, and
 * told apart.
 *
 * With threads only the calling one is timed; waiting for the others counts as outside of kernels, which is
 * where it can be cut.
 */
export class KernelTimes {
  private readonly times: KernelTime[] = [];

  constructor(kernels: Kernels) {
    const run = kernels.run as unknown as Record<string, unknown>;
    for (const [name, kernel] of Object.entries(run)) {
      if (typeof kernel !== "function") continue;
      const time: KernelTime = { name, calls: 0, milliseconds: 0 };
      this.times.push(time);
      run[name] = timed(time, kernel as (...args: number[]) => number);
    }
  }

  reset(): void {
    for (const time of this.times) time.calls = time.milliseconds = 0;
  }

  /**
   * Kernels that ran since `reset`, the slowest first, as lines of text.
   * @param steps passes timed
   * @param elapsed milliseconds of them all
   */
  report(steps: number, elapsed: number): string[] {
    const ran = this.times.filter(({ calls }) => calls > 0).toSorted((a, b) => b.milliseconds - a.milliseconds);
    const inside = ran.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const clocks = ran.reduce((sum, { calls }) => sum + calls, 0) * clockMilliseconds();
    const line = (name: string, calls: number | string, milliseconds: number) =>
      `  ${name.padEnd(28)} ${String(calls).padStart(5)} calls ${(milliseconds / steps).toFixed(3).padStart(9)} ms ${((100 * milliseconds) / elapsed).toFixed(1).padStart(5)} %`;
    return [
      ...ran.map(({ name, calls, milliseconds }) => line(name, calls / steps, milliseconds)),
      line("clocks of this profile", "", clocks),
      line("outside kernels", "", elapsed - inside - clocks),
      line("all", "", elapsed),
    ];
  }
}

/** What a clock around a kernel that does nothing adds to a call. */
function clockMilliseconds(): number {
  const calls = 20_000;
  const time: KernelTime = { name: "none", calls: 0, milliseconds: 0 };
  const bare = () => 0;
  const clocked = timed(time, bare);
  const run = (kernel: (...args: number[]) => number) => {
    const began = performance.now();
    for (let i = 0; i < calls; i++) kernel(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    return performance.now() - began;
  };
  run(clocked);
  time.milliseconds = 0;
  // What the clock itself saw is in the kernels' own time.
  return Math.max(0, run(clocked) - time.milliseconds - run(bare)) / calls;
}

function timed(time: KernelTime, kernel: (...args: number[]) => number): (...args: number[]) => number {
  return (...args) => {
    const began = performance.now();
    const result = kernel(...args);
    time.milliseconds += performance.now() - began;
    time.calls++;
    return result;
  };
}
