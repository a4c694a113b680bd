/**
 * Who is answered now and who waits: so many answers at a time. Those that wait have their turn client by
 * client, each client's in order of arrival, so that nobody's many requests keep others from theirs. What
 * runs together goes through the model together (`src/model/sequences/scheduler.ts`).
 */
import { ApiError, RETRY_SOON } from "./api-error.ts";

/** A place in the line. Whoever has it must `leave`, whatever happens. */
export interface Place {
  /**
   * Resolves when it is this one's turn.
   * @throws the signal's reason if it is aborted before; ApiError 429 if it had to make room for a client
   *   that has fewer waiting
   */
  turn(signal: AbortSignal): Promise<void>;
  leave(): void;
}

interface Seeker {
  readonly client: string;
  readonly call: () => void;
  readonly refuse: (reason: ApiError) => void;
  state: "waiting" | "running" | "gone";
}

export class Admission {
  readonly #atATime: number;
  readonly #mostWaiting: number;
  /** Those that wait by client, the client whose turn is next first; none that is empty. */
  readonly #lines = new Map<string, Seeker[]>();
  #running = 0;

  constructor(atATime: number, mostWaiting: number) {
    this.#atATime = atATime;
    this.#mostWaiting = mostWaiting;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return Array.from(this.#lines.values(), ({ length }) => length).reduce((a, b) => a + b, 0);
  }

  /**
   * @param client whose request it is
   * @throws ApiError 429 if too many wait, and none of a client that has more waiting than this one
   */
  enter(client: string): Place {
    if (this.#running >= this.#atATime && this.waiting >= this.#mostWaiting) this.#makeRoom(client);
    let [call, refuse]: [() => void, (reason: ApiError) => void] = [() => {}, () => {}];
    const called = new Promise<void>((resolve, reject) => ([call, refuse] = [resolve, reject]));
    // Told to whoever waits for its turn; nobody may be yet.
    called.catch(() => {});
    const seeker: Seeker = { client, call, refuse, state: "waiting" };
    const line = this.#lines.get(client);
    if (line) line.push(seeker);
    else this.#lines.set(client, [seeker]);
    this.#callNext();
    return {
      turn: (signal) => untilAborted(called, signal),
      leave: () => {
        if (seeker.state === "running") this.#running--;
        if (seeker.state === "waiting") this.#remove(seeker);
        seeker.state = "gone";
        this.#callNext();
      },
    };
  }

  /** Each client has one turn before any has the next. */
  #callNext(): void {
    for (const [client, line] of this.#lines) {
      if (this.#running >= this.#atATime) return;
      const seeker = line.shift()!;
      this.#lines.delete(client);
      // Behind all others; the loop comes to it again.
      if (line.length > 0) this.#lines.set(client, line);
      seeker.state = "running";
      this.#running++;
      seeker.call();
    }
  }

  /** The last request of the client that has most waiting gives way, where that makes the lines more even. */
  #makeRoom(client: string): void {
    const longest = Array.from(this.#lines.values()).reduce<readonly Seeker[]>((a, b) => (b.length > a.length ? b : a), []);
    const own = this.#lines.get(client)?.length ?? 0;
    const message = `queue: got ${this.waiting} requests that wait, need fewer than ${this.#mostWaiting}; try again later`;
    const overloaded = new ApiError(429, message, { code: "overloaded", headers: RETRY_SOON });
    if (longest.length <= own + 1) throw overloaded;
    const last = longest.at(-1)!;
    this.#remove(last);
    last.state = "gone";
    last.refuse(overloaded);
  }

  #remove(seeker: Seeker): void {
    const line = this.#lines.get(seeker.client)!;
    line.splice(line.indexOf(seeker), 1);
    if (line.length === 0) this.#lines.delete(seeker.client);
  }
}

function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
