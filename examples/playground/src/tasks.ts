/** Questions to a worker that holds a model, and their answers: several may be open at a time. */
import type { Failure, Task, TaskEvent, TaskRequest, TaskResults } from "./messages.ts";

interface Open {
  resolve(value: unknown): void;
  reject(failure: Failure): void;
  onText?(text: string): void;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is given text as it comes, of a task that writes. */
  onText?(text: string): void;
}

export class Tasks {
  readonly #open = new Map<number, Open>();
  readonly #send: (request: TaskRequest) => void;
  #next = 0;

  constructor(send: (request: TaskRequest) => void) {
    this.#send = send;
  }

  /** Rejects with a `Failure`. */
  run<T extends Task>(task: T, { signal, onText }: RunOptions = {}): Promise<TaskResults[T["name"]]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as Open["resolve"], reject, ...(onText && { onText }) });
      signal?.addEventListener("abort", () => this.#send({ kind: "cancel", id }), { once: true });
      this.#send({ kind: "run", id, task });
    });
  }

  receive(event: TaskEvent): void {
    const open = this.#open.get(event.id);
    if (event.kind === "piece") return open?.onText?.(event.text);
    this.#open.delete(event.id);
    if (event.kind === "result") open?.resolve(event.value);
    else open?.reject(event.failure);
  }

  /** Ends all that are open: their worker is gone. */
  end(): void {
    for (const { reject } of this.#open.values()) reject({ name: "AbortError", message: "the model was replaced" });
    this.#open.clear();
  }
}
