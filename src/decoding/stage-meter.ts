/**
 * Tokens and time of one stage, added up over its calls; the time a consumer takes between two pieces is in
 * neither stage.
 */
import type { StageTiming } from "./generation-options.ts";

export class StageMeter {
  #tokens = 0;
  #ms = 0;

  /** Adds a token whose time has been added. */
  count(): void {
    this.#tokens++;
  }

  /** Runs `work` and adds its time and what `tokens` then says, also if it throws. */
  async measure<T>(tokens: () => number, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.#ms += performance.now() - started;
      this.#tokens += tokens();
    }
  }

  /** The rate is 0 where it cannot be known: no tokens, or a clock that stands still (deployed Workers). */
  get timing(): StageTiming {
    const tokensPerSecond = this.#ms > 0 ? (this.#tokens / this.#ms) * 1000 : 0;
    return { tokens: this.#tokens, ms: this.#ms, tokensPerSecond };
  }
}
