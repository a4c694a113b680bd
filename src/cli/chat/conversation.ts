/** A conversation as its commands change it: a system message, and turns of a person and of the model. */
import type { ChatMessage } from "../../tokenizer/chat-template.ts";

interface Turn {
  readonly question: string;
  readonly answer: string;
}

export class Conversation {
  system: string | undefined;
  #turns: Turn[] = [];
  /** How often the last question was asked again. */
  #repetitions = 0;

  constructor(system: string | undefined) {
    this.system = system;
  }

  /** The messages that ask a question. */
  asking(question: string): ChatMessage[] {
    return [...this.messages(), { role: "user", content: question }];
  }

  messages(): ChatMessage[] {
    const opening: ChatMessage[] = this.system === undefined ? [] : [{ role: "system", content: this.system }];
    return [
      ...opening,
      ...this.#turns.flatMap(({ question, answer }): ChatMessage[] => [
        { role: "user", content: question },
        { role: "assistant", content: answer },
      ]),
    ];
  }

  add(question: string, answer: string): void {
    this.#turns.push({ question, answer });
  }

  /** Takes the last turn back, to ask its question again; undefined if there is none. */
  takeBack(): Turn | undefined {
    return this.#turns.pop();
  }

  forget(): void {
    this.#turns = [];
  }

  /**
   * The seed of an answer. A seed that was given is the first answer's to each question; asked again with the
   * same one, the model would say the same again.
   */
  seed(given: number | undefined, isRepetition: boolean): number | undefined {
    this.#repetitions = isRepetition ? this.#repetitions + 1 : 0;
    return given === undefined ? undefined : (given + this.#repetitions) % 2 ** 32;
  }

  get isEmpty(): boolean {
    return this.#turns.length === 0;
  }

  /** As JSON messages for a file whose name ends in `.json`, as Markdown for any other. */
  document(file: string): string {
    const messages = this.messages();
    if (file.toLowerCase().endsWith(".json")) return `${JSON.stringify(messages, undefined, 2)}\n`;
    return messages.map(({ role, content }) => `## ${role}\n\n${content}\n`).join("\n");
  }
}
