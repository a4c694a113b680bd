/** A second model beside the one that chats, in float32: what the first is compared with. */
import type { EngineEvent, EngineRequest, Failure, ModelDescription, Source, Task, TaskResults } from "./messages.ts";
import { type RunOptions, Tasks } from "./tasks.ts";
import { watchStart } from "./worker-start.ts";
import type { Progress } from "fptq";

interface Loading {
  onProgress(progress: Progress): void;
  onWarning(message: string): void;
}

export class ReferenceModel {
  readonly source: Source;
  readonly #worker: Worker;
  readonly #tasks: Tasks;
  readonly #loaded: Promise<ModelDescription>;

  constructor(source: Source, { onProgress, onWarning }: Loading) {
    this.source = source;
    const worker = new Worker(new URL("./engine-worker.ts", import.meta.url), { type: "module", name: "reference" });
    this.#worker = worker;
    const send = (request: EngineRequest) => worker.postMessage(request);
    this.#tasks = new Tasks(send);
    watchStart(worker, "second engine", onWarning);
    this.#loaded = new Promise((resolve, reject: (failure: Failure) => void) => {
      worker.addEventListener("error", ({ message }) =>
        reject({ name: "Error", message: message || "the engine could not be started" }),
      );
      worker.addEventListener("message", ({ data: event }: MessageEvent<EngineEvent>) => {
        if (event.kind === "progress") onProgress(event.progress);
        else if (event.kind === "loaded") resolve(event.model);
        else if (event.kind === "failed") reject(event.failure);
        else if (event.kind === "piece" || event.kind === "result" || event.kind === "refused") this.#tasks.receive(event);
      });
    });
    send({ kind: "load", source, threads: undefined, build: "auto", floats: true });
  }

  /** Rejects with a `Failure`. */
  get loaded(): Promise<ModelDescription> {
    return this.#loaded;
  }

  run<T extends Task>(task: T, options?: RunOptions): Promise<TaskResults[T["name"]]> {
    return this.#tasks.run(task, options);
  }

  /** Gives its memory back. */
  end(): void {
    this.#worker.terminate();
    this.#tasks.end();
  }
}
