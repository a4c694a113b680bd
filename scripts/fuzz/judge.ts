/** Runs one case in this process and says what came of it. */
import * as errors from "../../src/errors.ts";
import type { CaseId, FailureClass, Limits, Observation, Subject, Verdict } from "./subject.ts";

const TYPED = Object.values(errors).filter((value) => typeof value === "function" && value.prototype instanceof Error) as (new (
  ...args: never[]
) => Error)[];

/** Bytes this process holds now, and the most of them that were ever in real memory. */
function held(): { now: number; peak: number } {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return { now: arrayBuffers + heapUsed, peak: process.resourceUsage().maxRSS * 1024 };
}

const failed = (failure: FailureClass, detail: string): Verdict => ({ kind: "failed", failure, detail });

export class Judge {
  readonly #subject: Subject;
  readonly #limits: Limits;
  readonly #start = held();
  readonly #digests = new Map<string, string>();
  /** What was thrown where nobody caught it, since the case began. */
  readonly #strays: unknown[] = [];

  constructor(subject: Subject, limits: Limits) {
    this.#subject = subject;
    this.#limits = limits;
    process.on("unhandledRejection", (error) => this.#strays.push(error));
    process.on("uncaughtException", (error) => this.#strays.push(error));
  }

  async judge(id: CaseId): Promise<Verdict> {
    const { base, files, isNeutral } = await this.#subject.make(id);
    let result: Observation | Error;
    try {
      result = await this.#subject.run(files);
    } catch (error) {
      result = error instanceof Error ? error : new Error(`got a thrown ${typeof error}: ${String(error)}`);
    }
    // Lets rejections that nobody waits for be seen with the case that made them.
    await new Promise((resolve) => setImmediate(resolve));
    const stray = this.#strays.splice(0).at(0);
    if (stray !== undefined) return failed("untyped error", `unhandled: ${stackOf(stray)}`);
    const large = this.#tooLarge(result);
    if (large !== undefined) return failed("over-allocation", large);
    if (result instanceof Error) {
      if (!TYPED.some((type) => result instanceof type)) return failed("untyped error", stackOf(result));
      return isNeutral ? failed("silent difference", `refused: ${result.message}`) : { kind: "refused", by: result.name };
    }
    if (!result.isFinite) return failed("non-finite logits", "logits: got NaN or infinity without an error");
    if (isNeutral && result.digest !== (await this.#digestOf(base))) {
      return failed("silent difference", "tokens or logits: got others than without the edits, need the same");
    }
    return { kind: "accepted" };
  }

  #tooLarge(result: Observation | Error): string | undefined {
    const { bytes } = this.#limits;
    const { now, peak } = held();
    const planned = result instanceof Error ? 0 : result.bytes;
    const got = Math.max(now - this.#start.now, peak - this.#start.peak, planned);
    return got > bytes ? `memory: got ${got} bytes above the start, need at most ${bytes}` : undefined;
  }

  async #digestOf(base: string): Promise<string> {
    const known = this.#digests.get(base);
    if (known !== undefined) return known;
    const { digest } = await this.#subject.run(await this.#subject.original(base));
    this.#digests.set(base, digest);
    return digest;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
