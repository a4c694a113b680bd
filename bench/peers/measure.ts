/** Measures engines in turn, so that a busy moment of the machine meets all alike. */
import type { Result } from "./measurements.ts";
import type { Session } from "./session.ts";

export interface Test {
  readonly name: string;
  readonly tokens: number;
  run(session: Session): Promise<{ ms: number }>;
}

export interface Loaded {
  readonly version?: string;
  readonly details?: string;
}

export interface InTurn<E> {
  readonly engines: readonly E[];
  readonly load: (engine: E, session: Session) => Promise<Loaded>;
  /** Each round's tests are repeated together. */
  readonly rounds: readonly (readonly Test[])[];
  readonly repetitions: number;
  readonly say: (text: string) => void;
}

type Measured = Omit<Result, "threads">;

/**
 * All engines loaded at once; each repetition of a test calls one after another. What fails is not called
 * again.
 */
export async function measureInTurn<E extends { name: string; open(): Promise<Session> }>({
  engines,
  load,
  rounds,
  repetitions,
  say,
}: InTurn<E>): Promise<Measured[]> {
  const running = [];
  for (const engine of engines) {
    const result = { name: engine.name, version: "", details: "", samplesMs: {} as Record<string, number[]>, failure: "" };
    let session: Session | undefined;
    try {
      session = await engine.open();
      const { version = "", details = "" } = await load(engine, session);
      Object.assign(result, { version, details });
    } catch (error) {
      result.failure = (error as Error).message;
    }
    say(`${engine.name}: ${result.failure ? `failed: ${result.failure}` : `${result.version} ${result.details}`}`);
    running.push({ session, result });
  }
  for (const tests of rounds) {
    for (let repetition = -1; repetition < repetitions; repetition++) {
      for (const test of tests) {
        for (const { session, result } of running) {
          if (!session || result.failure) continue;
          try {
            const { ms } = await test.run(session);
            // The first call is a warm-up.
            if (repetition >= 0) (result.samplesMs[test.name] ??= []).push(ms);
            const rate = ((1000 * test.tokens) / ms).toFixed(1);
            say(`  ${test.name}, ${result.name}: ${rate} tokens/s${repetition < 0 ? " (warm-up)" : ""}`);
          } catch (error) {
            result.failure = `${test.name}: ${(error as Error).message}`;
            say(`  ${result.name} failed: ${result.failure}`);
          }
        }
      }
    }
  }
  for (const { session } of running) await session?.close().catch(() => {});
  return running.map(({ result }) => result);
}
