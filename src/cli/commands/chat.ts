/** `fptq chat`: a conversation on the terminal, or turns from a pipe, one per line. */
import { createInterface, type Interface } from "node:readline";
import { Command } from "commander";
import { AbortError, CheckpointError, OptionError } from "../../errors.ts";
import { CHAT_HELP, readChatLine, SavedFiles } from "../chat/chat-commands.ts";
import { Conversation } from "../chat/conversation.ts";
import type { CommandContext } from "../command-context.ts";
import type { GenerateOptions } from "../../decoding/generation-options.ts";
import { LineWrap } from "../line-wrap.ts";
import type { LoadedModel } from "../library-contract.ts";
import { addOutputOptions, addModelOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import {
  addSamplingOptions,
  formOptions,
  generateOptions,
  samplingLine,
  type SamplingFlags,
  unescape,
} from "../options/sampling-options.ts";
import { speedLine } from "../timings.ts";

interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly systemPrompt?: string;
  readonly showTimings?: boolean;
}

const EXAMPLES = `
In the conversation:
${CHAT_HELP.replaceAll(/^/gm, "  ")}

Examples:
  fptq chat -m SmolLM2-w4a8
  fptq chat -m SmolLM2-w4a8 -sys "You are a patient teacher." --temp 0.2
  printf 'My name is Ada.\\nWhat is my name?\\n' | fptq chat -m SmolLM2-w4a8`;

export function chatCommand(context: CommandContext): Command {
  const command = new Command("chat")
    .description("talk with a model")
    .optionsGroup("Prompt:")
    .option("--sys, --system-prompt <text>", "system message of the conversation");
  addModelOptions(command, "tokens of the whole conversation (default: the model's, at most 4096)");
  addSamplingOptions(command, -1);
  return addOutputOptions(command)
    .option("--show-timings", "tokens and tokens a second after each answer, on stderr (default: on a terminal)")
    .option("--no-show-timings", "without them")
    .addHelpText("after", EXAMPLES)
    .action((flags: ChatFlags) => new Chat(context, flags).hold());
}

/** What a terminal calls a conversation, while a model is loaded. */
class Chat {
  readonly #context: CommandContext;
  readonly #flags: ChatFlags;
  readonly #conversation: Conversation;
  readonly #saved = new SavedFiles();
  /** Whether a person types and reads, so that a line that fails is not the end. */
  readonly #isInteractive: boolean;
  #form: GenerateOptions = {};
  #answering: AbortController | undefined;

  constructor(context: CommandContext, flags: ChatFlags) {
    this.#context = context;
    this.#flags = flags;
    this.#isInteractive = context.input.isTTY === true && context.output.logStream.isTTY === true;
    this.#conversation = new Conversation(flags.systemPrompt === undefined ? undefined : unescape(flags, flags.systemPrompt));
  }

  async hold(): Promise<void> {
    const { input, output, signal } = this.#context;
    this.#form = await formOptions(this.#context, this.#flags);
    await using model = await loadModelFromFlags(this.#context, this.#flags);
    if (this.#flags.verbose) output.log(samplingLine(this.#flags, model.recommendedSampling));
    // The prompt mark and the echo go to stderr: stdout carries the answers only.
    const terminal = createInterface({ input, output: output.logStream, terminal: this.#isInteractive, prompt: "> " });
    const onAbort = () => terminal.close();
    signal.addEventListener("abort", onAbort);
    if (this.#isInteractive) output.log("/help shows the commands; Ctrl-C stops an answer.\n");
    try {
      await this.#converse(model, terminal);
    } finally {
      signal.removeEventListener("abort", onAbort);
      terminal.close();
    }
    if (signal.aborted) throw new AbortError("chat: aborted");
  }

  async #converse(model: LoadedModel, terminal: Interface): Promise<void> {
    let unfinished = "";
    // On a terminal readline owns the keys, Ctrl-C among them.
    terminal.on("SIGINT", () => this.#interrupt(terminal));
    const ask = (mark: string) => {
      if (!this.#isInteractive) return;
      terminal.setPrompt(mark);
      terminal.prompt();
    };
    ask("> ");
    for await (const line of terminal) {
      if (line.endsWith("\\")) {
        unfinished += `${line.slice(0, -1)}\n`;
        ask("… ");
        continue;
      }
      const text = unfinished + line;
      unfinished = "";
      if ((await this.#take(model, text)) === "leave" || this.#context.signal.aborted) return;
      ask("> ");
    }
    // Left by Ctrl-D or Ctrl-C: the shell's prompt belongs on a line of its own.
    if (this.#isInteractive) this.#context.output.log("");
  }

  /** Stops an answer, takes back what is being typed, or leaves: the first of these that there is to do. */
  #interrupt(terminal: Interface): void {
    if (this.#answering && !this.#answering.signal.aborted) this.#answering.abort();
    else if (!this.#answering && terminal.line !== "") terminal.write(null, { ctrl: true, name: "u" });
    else terminal.close();
  }

  /** @throws what is wrong with a line, unless a person can type another one */
  async #take(model: LoadedModel, text: string): Promise<"leave" | undefined> {
    try {
      return await this.#carryOut(model, text);
    } catch (error) {
      const canGoOn = error instanceof OptionError || error instanceof CheckpointError;
      if (!canGoOn || !this.#isInteractive) throw error;
      this.#context.output.log(`error: ${error.message}`);
      return undefined;
    }
  }

  async #carryOut(model: LoadedModel, text: string): Promise<"leave" | undefined> {
    const { output } = this.#context;
    const conversation = this.#conversation;
    const line = readChatLine(text);
    if (line.kind === "question") await this.#answer(model, line.text, false);
    if (line.kind === "unknown") {
      output.log(`unknown command /${line.name}${line.nearest ? `\n(Did you mean /${line.nearest}?)` : `\n${CHAT_HELP}`}`);
    }
    if (line.kind !== "command") return undefined;
    switch (line.name) {
      case "exit":
        return "leave";
      case "help":
        output.log(CHAT_HELP);
        break;
      case "clear":
      case "reset":
        conversation.forget();
        output.log("(the conversation starts anew)");
        break;
      case "system":
        conversation.system = line.argument || undefined;
        output.log(line.argument ? "(system message set)" : "(no system message)");
        break;
      case "save":
        await this.#saved.save(conversation, line.argument);
        output.log(`(wrote ${line.argument})`);
        break;
      case "regen": {
        const last = conversation.takeBack();
        if (!last) throw new OptionError("/regen: got no answer yet, need one to replace");
        if (!(await this.#answer(model, last.question, true))) conversation.add(last.question, last.answer);
      }
    }
    return undefined;
  }

  /**
   * Writes an answer while it comes, and keeps it, whole or as far as it was stopped: that is what the person
   * has read.
   *
   * @returns whether there is one
   */
  async #answer(model: LoadedModel, question: string, isRepetition: boolean): Promise<boolean> {
    const { output, signal } = this.#context;
    const conversation = this.#conversation;
    this.#answering = new AbortController();
    const options = generateOptions(this.#flags, AbortSignal.any([signal, this.#answering.signal]));
    const seed = conversation.seed(options.seed, isRepetition);
    const lines = new LineWrap(
      () => output.columns,
      (text) => output.write(text),
    );
    let answer = "";
    try {
      const generation = model.generate(conversation.asking(question), { ...options, seed, ...this.#form });
      for await (const piece of generation) {
        answer += piece;
        lines.push(piece);
      }
      lines.end();
      output.write("\n");
      if (this.#flags.showTimings ?? this.#isInteractive)
        output.log(output.paint("dim", speedLine(await generation.result), "log"));
    } catch (error) {
      if (error instanceof OptionError && this.#isInteractive)
        throw new OptionError(`${error.message}\n(/clear starts a new conversation)`);
      if (!(error instanceof AbortError)) throw error;
      lines.end();
      output.write("\n");
      if (!signal.aborted) output.log("(stopped)");
      if (answer === "") return false;
    } finally {
      this.#answering = undefined;
    }
    conversation.add(question, answer);
    return true;
  }
}
