/**
 * The items of a response as they come: thoughts, text and calls, each whole before the next, with the events
 * that tell of them.
 */
import type { AnswerPart } from "../../decoding/tool-calls/answer-parser.ts";

/** An event without its number, which the stream gives it. */
export interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

type Status = "in_progress" | "completed" | "incomplete";

interface OpenItem {
  readonly kind: "text" | "reasoning";
  readonly id: string;
  text: string;
  logprobs: object[];
}

export class ResponseItems {
  readonly #callId: () => string;
  readonly #items: object[] = [];
  #open: OpenItem | undefined;
  /** Those of tokens whose text is held back. */
  #logprobs: object[] = [];
  #reasoning = "";

  /** @param callId gives a call the name by which its result comes back */
  constructor(callId: () => string) {
    this.#callId = callId;
  }

  /** Those that are whole. */
  get items(): readonly object[] {
    return this.#items;
  }

  get reasoning(): string {
    return this.#reasoning;
  }

  /** @param logprobs of the tokens behind these parts */
  push(parts: readonly AnswerPart[], logprobs: readonly object[] = []): ResponseEvent[] {
    this.#logprobs.push(...logprobs);
    return parts.flatMap((part) => (part.kind === "call" ? this.#call(part) : this.#piece(part.kind, part.text)));
  }

  /** Ends the item that is open; a response has at least one message. */
  close(status: Status): ResponseEvent[] {
    const opened = this.#items.length === 0 && !this.#open ? this.#begin("text") : [];
    return [...opened, ...this.#end(status)];
  }

  #piece(kind: OpenItem["kind"], delta: string): ResponseEvent[] {
    const before = this.#open?.kind === kind ? [] : [...this.#end("completed"), ...this.#begin(kind)];
    const open = this.#open!;
    open.text += delta;
    const place = { item_id: open.id, output_index: this.#items.length, content_index: 0 };
    if (kind === "reasoning") {
      this.#reasoning += delta;
      return [...before, { type: "response.reasoning_text.delta", ...place, delta }];
    }
    const logprobs = this.#logprobs.splice(0);
    open.logprobs.push(...logprobs);
    return [...before, { type: "response.output_text.delta", ...place, delta, logprobs }];
  }

  #begin(kind: OpenItem["kind"]): ResponseEvent[] {
    const id = `${kind === "text" ? "msg" : "rs"}_${crypto.randomUUID()}`;
    this.#open = { kind, id, text: "", logprobs: [] };
    const item = { ...whole(this.#open, "in_progress"), content: [] };
    const place = { output_index: this.#items.length };
    return [
      { type: "response.output_item.added", ...place, item },
      { type: "response.content_part.added", ...place, item_id: id, content_index: 0, part: partOf(this.#open) },
    ];
  }

  #end(status: Status): ResponseEvent[] {
    const open = this.#open;
    if (!open) return [];
    if (open.kind === "text") open.logprobs.push(...this.#logprobs.splice(0));
    const place = { item_id: open.id, output_index: this.#items.length, content_index: 0 };
    const item = whole(open, status);
    this.#items.push(item);
    this.#open = undefined;
    const { text, logprobs } = open;
    return [
      open.kind === "text"
        ? { type: "response.output_text.done", ...place, text, logprobs }
        : { type: "response.reasoning_text.done", ...place, text },
      { type: "response.content_part.done", ...place, part: partOf(open) },
      { type: "response.output_item.done", output_index: place.output_index, item },
    ];
  }

  #call({ name, arguments: given }: Extract<AnswerPart, { kind: "call" }>): ResponseEvent[] {
    const before = this.#end("completed");
    const item = { type: "function_call", id: `fc_${crypto.randomUUID()}`, call_id: this.#callId(), name, arguments: given };
    const place = { item_id: item.id, output_index: this.#items.length };
    const done = { ...item, status: "completed" };
    this.#items.push(done);
    const { output_index } = place;
    return [
      ...before,
      { type: "response.output_item.added", output_index, item: { ...item, arguments: "", status: "in_progress" } },
      { type: "response.function_call_arguments.delta", ...place, delta: given },
      { type: "response.function_call_arguments.done", ...place, name, arguments: given },
      { type: "response.output_item.done", output_index, item: done },
    ];
  }
}

function partOf({ kind, text, logprobs }: OpenItem): object {
  if (kind === "reasoning") return { type: "reasoning_text", text };
  return { type: "output_text", text, annotations: [], logprobs };
}

function whole(open: OpenItem, status: Status): object {
  const { kind, id } = open;
  if (kind === "reasoning") return { type: "reasoning", id, summary: [], content: [partOf(open)], status };
  return { type: "message", id, role: "assistant", status, content: [partOf(open)] };
}
