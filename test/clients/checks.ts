/** Checks that are counted, as the other suites outside `npm test` count theirs. */
export interface Checks {
  check(name: string, run: () => Promise<void>): Promise<void>;
  /** The line that counts, and the exit code. */
  end(): void;
}

export function checks(): Checks {
  let [passed, failed] = [0, 0];
  return {
    async check(name, run) {
      try {
        await run();
        passed++;
        console.log(`ok   ${name}`);
      } catch (error) {
        failed++;
        console.log(
          `FAIL ${name}\n     ${(error instanceof Error ? (error.stack ?? error.message) : String(error)).replaceAll("\n", "\n     ")}`,
        );
      }
    },
    end() {
      console.log(`${passed} passed, ${failed} failed`);
      process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
    },
  };
}
