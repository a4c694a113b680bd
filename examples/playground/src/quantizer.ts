/** Quantizing as the page knows it. The worker stays for as long as its result is wanted. */
import { explain } from "./explain.ts";
import type { QuantizeEvent, QuantizeRequest, Source } from "./messages.ts";
import { type InputPolicy, INPUTS, type LayerPolicies, notedPolicies } from "./policies.ts";
import { saveBlob } from "./saving.ts";
import { sourceName } from "./sources.ts";
import type { State } from "./state.ts";
import { watchStart } from "./worker-start.ts";

export class Quantizer {
  readonly #state: State;
  readonly #changed: () => void;
  #worker: Worker | undefined;
  #source: Source = "";

  get #name(): string {
    return sourceName(this.#source);
  }

  constructor(state: State, changed: () => void) {
    this.#state = state;
    this.#changed = changed;
  }

  start(source: Source, options: (QuantizeRequest & { kind: "quantize" })["options"]): void {
    this.#worker?.terminate();
    this.#source = source;
    const worker = new Worker(new URL("./quantize-worker.ts", import.meta.url), { type: "module", name: "quantizer" });
    this.#worker = worker;
    watchStart(worker, "quantizer", (message) => {
      if (worker !== this.#worker) return;
      this.#state.warnings.push(message);
      this.#changed();
    });
    worker.addEventListener("message", ({ data }: MessageEvent<QuantizeEvent>) => {
      if (worker === this.#worker) this.#receive(data);
    });
    worker.addEventListener("error", ({ message }) => {
      const why = explain({ name: "Error", message: message || "the script of the quantizer could not be loaded" });
      this.#state.quantizing = { kind: "failed", why };
      this.#changed();
    });
    this.#state.quantizing = { kind: "running", name: this.#name, progress: undefined };
    this.#send({ kind: "quantize", source, options });
    this.#changed();
  }

  cancel(): void {
    this.#send({ kind: "cancel" });
  }

  /** Asks for the result as one file, which is saved when it comes. */
  download(): void {
    this.#send({ kind: "zip" });
  }

  #send(request: QuantizeRequest): void {
    this.#worker!.postMessage(request);
  }

  #receive(event: QuantizeEvent): void {
    const state = this.#state;
    if (event.kind === "started") return;
    if (event.kind === "zipped") return saveBlob(event.zip, `${this.#name.replace(/\.gguf$/i, "")}-w4a8.zip`);
    if (event.kind === "progress") state.quantizing = { kind: "running", name: this.#name, progress: event.progress };
    else if (event.kind === "quantized") {
      const { files, report } = event;
      state.quantizing = { kind: "done", source: this.#source, files, report, policies: reportedPolicies(report.layers) };
      state.announcement = `${this.#name} is quantized.`;
    } else {
      this.#worker!.terminate();
      state.quantizing = event.kind === "failed" ? { kind: "failed", why: explain(event.failure) } : { kind: "cancelled" };
    }
    this.#changed();
  }
}

/** A report has every input of every layer. */
function reportedPolicies(layers: readonly { readonly name: string }[]): LayerPolicies {
  const noted = notedPolicies(layers);
  return Array.from({ length: layers.length / INPUTS.length }, (_, layer) => {
    const of = (input: string): InputPolicy => noted.get(`model.layers.${layer}.${input}`)!;
    return { qkv: of("qkv"), o: of("o"), up: of("up"), down: of("down") };
  });
}
