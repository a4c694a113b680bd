/** Checks that are counted and printed, each with the time it took. */
import { NotInstalledError } from "../runtimes/launch.ts";

export class Checks {
  passed = 0;
  failed = 0;
  skipped = 0;

  /** @param run a check; what it gives is printed beside its name */
  async check(name: string, run: () => Promise<string | void>): Promise<void> {
    const started = performance.now();
    const seconds = () => `(${((performance.now() - started) / 1000).toFixed(1)} s)`;
    try {
      const note = await run();
      this.passed++;
      console.log(`ok   ${name}${note ? `: ${note}` : ""}  ${seconds()}`);
    } catch (error) {
      if (error instanceof NotInstalledError && process.env["FPTQ_REQUIRE_DATA"] === undefined) {
        this.skipped++;
        console.log(`skip: ${name}: ${error.message}`);
        return;
      }
      this.failed++;
      const text = error instanceof Error ? error.message : String(error);
      console.log(`FAIL ${name}  ${seconds()}\n     ${text.replaceAll("\n", "\n     ")}`);
    }
  }

  end(): void {
    console.log(`${this.passed} passed, ${this.failed} failed${this.skipped ? `, ${this.skipped} skipped` : ""}`);
    process.exitCode = this.failed > 0 || this.passed === 0 ? 1 : 0;
  }
}

export function assert(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
