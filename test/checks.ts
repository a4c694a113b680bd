/** Checks of the suites outside `npm test`: counted and printed, each with the time it took. */
import { NotInstalledError } from "./runtimes/launch.ts";

export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly #isOutcome: (error: unknown) => boolean;

  /** @param isOutcome whether an error is the outcome of a check; others are thrown on and not counted */
  constructor(isOutcome: (error: unknown) => boolean = () => true) {
    this.#isOutcome = isOutcome;
  }

  /**
   * Runs a check; a failure does not stop those after it. What is not installed is skipped, but with
   * FPTQ_REQUIRE_DATA set it is a failure.
   *
   * @param run what it gives is printed beside the name
   */
  readonly check = async (name: string, run: () => Promise<string | void>): Promise<void> => {
    const started = performance.now();
    const seconds = () => `(${((performance.now() - started) / 1000).toFixed(1)} s)`;
    try {
      const note = await run();
      this.passed++;
      console.log(`ok   ${name}${note ? `: ${note}` : ""}  ${seconds()}`);
    } catch (error) {
      if (!this.#isOutcome(error)) throw error;
      if (error instanceof NotInstalledError && process.env["FPTQ_REQUIRE_DATA"] === undefined) {
        this.skipped++;
        console.log(`skip: ${name}: ${error.message}`);
        return;
      }
      this.failed++;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      console.log(`FAIL ${name}  ${seconds()}\n     ${text.replaceAll("\n", "\n     ")}`);
    }
  };

  /** Counts what other checks have counted. */
  add({ passed, failed, skipped }: Checks): void {
    this.passed += passed;
    this.failed += failed;
    this.skipped += skipped;
  }

  /** Prints the line that counts, and sets the exit code. */
  end(): void {
    console.log(`${this.passed} passed, ${this.failed} failed${this.skipped ? `, ${this.skipped} skipped` : ""}`);
    process.exitCode = this.failed > 0 || this.passed === 0 ? 1 : 0;
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
