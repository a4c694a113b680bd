/** The text of one generation as its tokens come: bytes to characters, up to a stop string, without calls. */
import type { TextStream, TextTokenizer } from "./generate.ts";
import type { StopStrings } from "./stopping.ts";
import type { AnswerParser, AnswerPart } from "./tool-calls/answer-parser.ts";
import type { AnswerReading } from "./tool-calls/answer-parsing.ts";
import { type ToolCall, toolCall } from "./tool-calls/tool-call.ts";

export class GeneratedText {
  /** Calls that are whole, in order. */
  readonly toolCalls: ToolCall[] = [];
  readonly #tokenizer: TextTokenizer;
  readonly #stops: StopStrings;
  readonly #reading: (() => AnswerReading) | undefined;
  readonly #stream: TextStream;
  #text = "";
  #read: { readonly parser: AnswerParser; readonly callId: () => string } | undefined;

  /** @param reading what finds calls in it, asked for with the first token; undefined to look for none */
  constructor(tokenizer: TextTokenizer, stops: StopStrings, reading: (() => AnswerReading) | undefined) {
    this.#tokenizer = tokenizer;
    this.#stops = stops;
    this.#reading = reading;
    this.#stream = tokenizer.streamDecoder({ skipSpecialTokens: true, continues: true });
  }

  /** All that is certain so far. */
  get text(): string {
    return this.#text;
  }

  /** Adds a token; gives the text that is certain now. */
  push(id: number): string {
    const { specialIds } = this.#tokenizer;
    const token = this.#tokenizer.idToToken(id);
    const piece = this.#stops.push(token === undefined ? "" : this.#stream.push(id));
    return this.#add(token !== undefined && specialIds.has(id) ? piece + this.#stops.push(token, true) : piece);
  }

  /** Gives what is still held back, at the end. */
  flush(): string {
    const rest = this.#add(this.#stops.push(this.#stream.flush()) + this.#stops.flush());
    return rest + this.#taken(this.#reader()?.parser.flush() ?? []);
  }

  #add(piece: string): string {
    const reader = this.#reader();
    return this.#taken(reader ? reader.parser.push(piece) : [{ kind: "text", text: piece }]);
  }

  #taken(parts: readonly AnswerPart[]): string {
    let said = "";
    for (const part of parts) {
      if (part.kind === "call") this.toolCalls.push(toolCall(part, this.#reader()!.callId()));
      else said += part.text;
    }
    this.#text += said;
    return said;
  }

  #reader(): { readonly parser: AnswerParser; readonly callId: () => string } | undefined {
    if (!this.#read && this.#reading) {
      const { parser, callId } = this.#reading();
      this.#read = { parser: parser(), callId };
    }
    return this.#read;
  }
}
