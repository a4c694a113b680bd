/** The model as the page knows it: what it asks of the engine's worker, and what it shows of the answers. */
import type { GenerateOptions, BuildName } from "fptq";
import { explain } from "./explain.ts";
import { counted, rate } from "./format.ts";
import type { EngineEvent, EngineRequest, Source, Task, TaskResults } from "./messages.ts";
import { sourceName } from "./sources.ts";
import type { State } from "./state.ts";
import { type RunOptions, Tasks } from "./tasks.ts";
import { watchStart } from "./worker-start.ts";

export interface EngineSettings {
  /** Undefined for what the library chooses. */
  readonly threads: number | undefined;
  readonly build: BuildName | "auto";
}

export class Engine {
  readonly #state: State;
  readonly #changed: () => void;
  readonly #answered: () => void;
  readonly #tasks = new Tasks((request) => this.#send(request));
  #worker: Worker | undefined;

  /**
   * @param changed asks for the page to be drawn again
   * @param answered is told when an answer ended
   */
  constructor(state: State, changed: () => void, answered: () => void) {
    this.#state = state;
    this.#changed = changed;
    this.#answered = answered;
  }

  /**
   * Loads a model in place of the one there is. Every model has a worker of its own: ending it gives all its
   * memory back at once.
   */
  load(source: Source, settings: EngineSettings): void {
    this.#end();
    Object.assign(this.#state, { source, loading: { kind: "loading", progress: undefined }, warnings: [], policies: undefined });
    this.#state.announcement = `Loading ${sourceName(source)}.`;
    const worker = new Worker(new URL("./engine-worker.ts", import.meta.url), { type: "module", name: "engine" });
    this.#worker = worker;
    watchStart(worker, "engine", (message) => {
      if (worker === this.#worker) this.#receive({ kind: "warning", message });
    });
    worker.addEventListener("message", ({ data }: MessageEvent<EngineEvent>) => {
      // What a worker sent before it was ended may come after.
      if (worker === this.#worker) this.#receive(data);
    });
    worker.addEventListener("error", ({ message }) => {
      const why = explain({ name: "Error", message: message || "the script of the engine could not be loaded" });
      this.#state.loading = { kind: "failed", why };
      this.#changed();
    });
    this.#send({ kind: "load", source, ...settings });
    this.#changed();
  }

  cancelLoading(): void {
    this.#end();
    this.#state.loading = { kind: "cancelled" };
    this.#changed();
  }

  /** Asks something, and shows the answer as it comes. */
  ask(text: string, options: GenerateOptions): void {
    this.#state.messages.push({ role: "user", content: text });
    this.#answer(options);
  }

  /** Gives the last question another answer. */
  answerAgain(options: GenerateOptions): void {
    this.#state.messages.pop();
    this.#answer(options);
  }

  #answer(options: GenerateOptions): void {
    const { messages, system } = this.#state;
    const said = messages.map(({ role, content }) => ({ role, content }));
    const told = system.trim() === "" ? [] : [{ role: "system", content: system.trim() }];
    this.#send({ kind: "generate", messages: [...told, ...said], options });
    messages.push({ role: "assistant", content: "" });
    Object.assign(this.#state, { generating: { startedAt: undefined, pieces: 0 }, chatError: undefined, announcement: "" });
    this.#changed();
  }

  stop(): void {
    if (this.#state.generating) this.#send({ kind: "stop" });
  }

  /** Asks the model something beside the conversation. Rejects with a `Failure`. */
  run<T extends Task>(task: T, options?: RunOptions): Promise<TaskResults[T["name"]]> {
    return this.#tasks.run(task, options);
  }

  #send(request: EngineRequest): void {
    this.#worker!.postMessage(request);
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#tasks.end();
    this.#state.indexHash = undefined;
    if (this.#state.generating) this.#takeBack(this.#state.messages.at(-1)!.content === "");
  }

  /** Ends what was generated. A question that is not answered becomes what is being written again. */
  #takeBack(question: boolean): void {
    const { messages } = this.#state;
    this.#state.generating = undefined;
    if (!question) return;
    const [asked] = messages.splice(-2);
    this.#state.draft ||= asked!.content;
  }

  #receive(event: EngineEvent): void {
    const state = this.#state;
    if (event.kind === "started") return;
    if (event.kind === "piece" || event.kind === "result" || event.kind === "refused") return this.#tasks.receive(event);
    if (event.kind === "progress") state.loading = { kind: "loading", progress: event.progress };
    else if (event.kind === "warning") state.warnings.push(event.message);
    else if (event.kind === "policies") Object.assign(state, { policies: event.policies, indexHash: event.indexHash });
    else if (event.kind === "loaded") {
      state.loading = { kind: "ready", model: event.model };
      state.announcement = `${sourceName(state.source)} is ready.`;
    } else if (event.kind === "text") {
      state.messages.at(-1)!.content += event.text;
      state.generating!.startedAt ??= performance.now();
      state.generating!.pieces++;
    } else if (event.kind === "generated") {
      const { decode, stop } = event.result;
      state.messages.at(-1)!.result = event.result;
      state.generating = undefined;
      const how = stop === "cancelled" ? "Stopped" : "Answered";
      state.announcement = `${how}: ${counted(event.result.tokens.length, "token")}, ${rate(decode.tokensPerSecond)}.`;
      this.#answered();
    } else if (event.work === "load") state.loading = { kind: "failed", why: explain(event.failure) };
    else {
      this.#takeBack(true);
      state.chatError = explain(event.failure);
    }
    this.#changed();
  }
}
