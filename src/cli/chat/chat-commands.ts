/** The commands of a conversation: lines that begin with a slash. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { CheckpointError, OptionError } from "../../errors.ts";
import { codeOf, messageOf } from "../../host/node/system-error.ts";
import { nearestName } from "../../option-keys.ts";
import type { Conversation } from "./conversation.ts";

export const CHAT_HELP = `/system TEXT  system message from now on; without TEXT there is none
/regen        another answer to the last question (the same at --temp 0)
/save FILE    write the conversation: JSON messages to FILE.json, else Markdown
/clear        forget the conversation so far (also /reset)
/help         this text
/exit         leave (so do Ctrl-D, and Ctrl-C when nothing is being written)
Ctrl-C        stops an answer; a second one leaves. A line that ends in \\ goes on in the next.`;

const NAMES = ["system", "regen", "save", "clear", "reset", "help", "exit"] as const;
type Name = (typeof NAMES)[number];

/** What a line asks for: a question of the model, a command, nothing. */
export type ChatLine =
  | { readonly kind: "question"; readonly text: string }
  | { readonly kind: "command"; readonly name: Name; readonly argument: string }
  | { readonly kind: "unknown"; readonly name: string; readonly nearest: string | undefined }
  | { readonly kind: "nothing" };

/** A slash and a word of letters is a command; a path is none. */
export function readChatLine(text: string): ChatLine {
  if (text.trim() === "") return { kind: "nothing" };
  const [, word, argument = ""] = /^\s*\/([a-z]+)(?:\s+([^]*?))?\s*$/.exec(text) ?? [];
  if (word === undefined) return { kind: "question", text };
  const name = NAMES.find((candidate) => candidate === word);
  return name ? { kind: "command", name, argument } : { kind: "unknown", name: word, nearest: nearestName(word, NAMES) };
}

/** Files that this conversation has written, which it may write again. */
export class SavedFiles {
  readonly #written = new Set<string>();

  /**
   * @throws OptionError without a name, or before there is a turn; CheckpointError if there is such a file
   *   that something else has written, or it cannot be written
   */
  async save(conversation: Conversation, name: string): Promise<void> {
    if (name === "") throw new OptionError("/save: got no name, need that of a file");
    if (conversation.isEmpty) throw new OptionError("/save: got no conversation, need a question and its answer");
    const path = resolve(name);
    try {
      await writeFile(path, conversation.document(name), { flag: this.#written.has(path) ? "w" : "wx" });
    } catch (cause) {
      const reason =
        codeOf(cause) === "EEXIST" ? "got a file that is there, need another name" : `cannot be written: ${messageOf(cause)}`;
      throw new CheckpointError(`/save ${name}: ${reason}`, { cause });
    }
    this.#written.add(path);
  }
}
