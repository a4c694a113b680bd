/** Processes that run cases. One that hangs is killed, one that died is replaced; both are verdicts. */
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CaseId, Limits, Verdict } from "./subject.ts";

/** Cases a process is given at a time, so that it never waits for the next. */
const BATCH = 32;
const WATCH_MS = 200;
const MOST_STDERR = 4000;
/** MiB of V8's heap: less than what the limit of a case would let it take. */
const HEAP_MB = 384;
/** Clock ticks a second in /proc; the same on every Linux that Node runs on. */
const TICKS = 100;
/** Processor time of a process that waits, as a part of what a case may take. */
const IDLE = 0.1;
/** Processes that end before their first answer, one after another, until this is not the cases' fault. */
const MOST_FALSE_STARTS = 3;

export interface PoolOptions {
  readonly jobs: number;
  /** URL of the module that exports `subject`. */
  readonly subject: string;
  readonly limits: Limits;
}

interface Task {
  readonly index: number;
  readonly id: CaseId;
}

/**
 * Runs cases in `jobs` processes.
 *
 * @param cases asked for as processes get free
 * @param onVerdict told each verdict with the index of its case, in no order
 */
export async function runCases(
  cases: Iterable<CaseId>,
  { jobs, subject, limits }: PoolOptions,
  onVerdict: (index: number, id: CaseId, verdict: Verdict) => void,
): Promise<void> {
  const source = numbered(cases);
  const returned: Task[] = [];
  const next = (): Task | undefined => returned.pop() ?? source.next().value ?? undefined;
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      let falseStarts = 0;
      for (let first = next(); first !== undefined; first = next()) {
        returned.push(first);
        const worker = new Worker(subject, limits);
        const answered = await worker.work(next, onVerdict);
        returned.push(...worker.rest());
        falseStarts = answered ? 0 : falseStarts + 1;
        if (falseStarts > MOST_FALSE_STARTS) throw new Error(`${subject}: cannot be started: ${worker.stderr}`);
      }
    }),
  );
}

function* numbered(cases: Iterable<CaseId>): Generator<Task, undefined> {
  let index = 0;
  for (const id of cases) yield { index: index++, id };
  return undefined;
}

class Worker {
  readonly #limits: Limits;
  readonly #child: ChildProcess;
  /** Given and not answered; the first one is running. */
  readonly #tasks: Task[] = [];
  #stderr = "";

  constructor(subject: string, limits: Limits) {
    this.#limits = limits;
    this.#child = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), [subject, JSON.stringify(limits)], {
      execArgv: ["--import", "tsx", "--expose-gc", `--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr!.setEncoding("utf8");
    this.#child.stderr!.on("data", (text: string) => (this.#stderr = (this.#stderr + text).slice(-MOST_STDERR)));
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** What was given to it and not run. */
  rest(): Task[] {
    return this.#tasks.splice(0).toReversed();
  }

  /**
   * Works until there is nothing more to do, or the process has to be replaced.
   * @returns whether it gave any verdict
   */
  work(next: () => Task | undefined, onVerdict: (index: number, id: CaseId, verdict: Verdict) => void): Promise<boolean> {
    const child = this.#child;
    let answered = false;
    let isReady = false;
    let since = { ms: performance.now(), cpu: 0 };
    let hang: string | undefined;
    let isReplaced = false;

    const tell = (verdict: Verdict) => {
      const { index, id } = this.#tasks.shift()!;
      answered = true;
      onVerdict(index, id, verdict);
    };
    const fill = () => {
      const batch: Task[] = [];
      while (this.#tasks.length + batch.length < BATCH) {
        const task = next();
        if (!task) break;
        batch.push(task);
      }
      this.#tasks.push(...batch);
      if (batch.length > 0) child.send(batch.map(({ id }) => id));
      else if (this.#tasks.length === 0) child.send([]);
    };
    const watch = setInterval(() => {
      if (!isReady || this.#tasks.length === 0 || hang !== undefined) return;
      const seconds = (performance.now() - since.ms) / 1000;
      const cpu = (cpuSeconds(child.pid!) ?? Infinity) - since.cpu;
      const { cpuSeconds: most, waitSeconds } = this.#limits;
      if (seconds > most && cpu > most) hang = `got more than ${most} s of processor time, need less`;
      // On a busy machine a case that computes gets little; one that waits gets nothing.
      else if (seconds > waitSeconds && cpu < IDLE * most)
        hang = `got ${seconds.toFixed(1)} s of waiting, need at most ${waitSeconds}`;
      if (hang !== undefined) child.kill("SIGKILL");
    }, WATCH_MS);

    child.on("message", (message: Verdict | "ready") => {
      if (isReplaced) return;
      since = { ms: performance.now(), cpu: cpuSeconds(child.pid!) ?? 0 };
      if (message === "ready") isReady = true;
      else {
        tell(message);
        // The most memory a process ever had stays what it was: the next case needs another process.
        isReplaced = message.kind === "failed" && message.failure === "over-allocation";
        if (isReplaced) return void child.kill("SIGKILL");
      }
      if (this.#tasks.length < BATCH / 2) fill();
    });
    return new Promise((resolve) => {
      child.on("close", (code, signal) => {
        clearInterval(watch);
        if (isReady && !isReplaced && this.#tasks.length > 0) tell(this.#death(hang, code, signal));
        resolve(answered);
      });
    });
  }

  #death(hang: string | undefined, code: number | null, signal: string | null): Verdict {
    if (hang !== undefined) return { kind: "failed", failure: "hang", detail: hang };
    const isHeap = /heap out of memory|Array buffer allocation failed/.test(this.#stderr);
    const detail = `process: ended with ${signal ?? `code ${code}`}: ${this.#stderr.trim()}`;
    return { kind: "failed", failure: isHeap ? "over-allocation" : "crash", detail };
  }
}

/** Processor time a process has used; undefined where the system does not say. */
function cpuSeconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return undefined;
  }
}
