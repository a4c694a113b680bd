/** Lets the event loop run now and then during long synchronous work, so that timers fire and an abort can be seen. */
import type { Runtime } from "../runtime/runtime.ts";

/** Longest time without letting events run, in milliseconds: a frame of a page at 120 Hz. */
const INTERVAL_MS = 8;

export class EventLoopPacer {
  private readonly runtime: Runtime;
  private last = performance.now();

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Whether it is time to await `letEventsRun`; apart from it so that the common case awaits nothing. */
  due(): boolean {
    return performance.now() - this.last >= INTERVAL_MS;
  }

  async letEventsRun(): Promise<void> {
    await this.runtime.yieldToEvents();
    this.last = performance.now();
  }
}
