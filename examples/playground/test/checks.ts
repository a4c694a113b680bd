/** Checks that print and count; a failure does not stop those after it. */
import { NoWorkerError } from "./no-worker.ts";

export class Checks {
  passed = 0;
  failed = 0;

  /** @throws NoWorkerError if the browser has to be opened again: that is no outcome of a check */
  async check(name: string, run: () => Promise<string | void>): Promise<void> {
    const started = performance.now();
    try {
      const note = await run();
      this.passed++;
      console.log(`ok   ${name}${note ? `: ${note}` : ""}  (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      if (error instanceof NoWorkerError) throw error;
      this.failed++;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      console.log(`FAIL ${name}\n     ${text.replaceAll("\n", "\n     ")}`);
    }
  }

  /** Counts what other checks have counted. */
  add({ passed, failed }: Checks): void {
    this.passed += passed;
    this.failed += failed;
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
