/** `fptq chat`: a conversation on the terminal, or turns from a pipe, one per line. */
import { createInterface, type Interface } from "node:readline";
import { Command } from "commander";
import { AbortError, OptionError } from "../../errors.ts";
import type { CommandContext } from "../command-context.ts";
import type { GenerateOptions } from "../../decoding/generation-options.ts";
import type { ChatMessage } from "../../tokenizer/chat-template.ts";
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

interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly systemPrompt?: string;
}

const HELP = `/reset   forget the conversation so far
/help    this text
/exit    leave (so do Ctrl-D, and Ctrl-C when nothing is being written)
Ctrl-C   stops an answer. A line that ends in \\ goes on in the next.`;

const EXAMPLES = `
In the conversation:
${HELP.replaceAll(/^/gm, "  ")}

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
    .addHelpText("after", EXAMPLES)
    .action((flags: ChatFlags) => holdConversation(context, flags));
}

/** The flags, and the form of answers that they ask for. */
interface Conversation extends ChatFlags {
  readonly form: GenerateOptions;
}

async function holdConversation(context: CommandContext, given: ChatFlags): Promise<void> {
  const flags = { ...given, form: await formOptions(context, given) };
  await using model = await loadModelFromFlags(context, flags);
  if (flags.verbose) context.output.log(samplingLine(flags, model.recommendedSampling));
  const interactive = context.input.isTTY === true && context.output.logStream.isTTY === true;
  // The prompt mark and the echo go to stderr: stdout carries the answers only.
  const terminal = createInterface({
    input: context.input,
    output: context.output.logStream,
    terminal: interactive,
    prompt: "> ",
  });
  const onAbort = () => terminal.close();
  context.signal.addEventListener("abort", onAbort);
  if (interactive) context.output.log("/help shows the commands; Ctrl-C stops an answer.\n");
  try {
    await converse(context, flags, model, terminal, interactive);
  } finally {
    context.signal.removeEventListener("abort", onAbort);
    terminal.close();
  }
  if (context.signal.aborted) throw new AbortError("chat: aborted");
}

async function converse(
  context: CommandContext,
  flags: Conversation,
  model: LoadedModel,
  terminal: Interface,
  interactive: boolean,
) {
  const { output } = context;
  const opening: ChatMessage[] =
    flags.systemPrompt === undefined ? [] : [{ role: "system", content: unescape(flags, flags.systemPrompt) }];
  let messages = opening;
  let answering: AbortController | undefined;
  let unfinished = "";

  // On a terminal readline owns the keys, Ctrl-C among them.
  terminal.on("SIGINT", () => {
    if (answering) answering.abort();
    else terminal.close();
  });
  const ask = (mark: string) => {
    if (!interactive) return;
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

    if (text.trim() === "/exit") return;
    if (text.trim() === "/reset") {
      messages = opening;
      output.log("(the conversation starts anew)");
    } else if (text.trim() === "/help") output.log(HELP);
    else if (/^\/[a-z]+$/.test(text.trim())) output.log(`unknown command ${text.trim()}\n${HELP}`);
    else if (text.trim() !== "") {
      answering = new AbortController();
      const answer = await answerTurn(
        context,
        flags,
        model,
        [...messages, { role: "user", content: text }],
        answering.signal,
        interactive,
      );
      answering = undefined;
      // An answer cut short stays in the conversation as far as it got: that is what the person has read. No
      // answer, no turn.
      if (answer !== undefined) messages = [...messages, { role: "user", content: text }, { role: "assistant", content: answer }];
    }
    if (context.signal.aborted) return;
    ask("> ");
  }
  // Left by Ctrl-D or Ctrl-C: the shell's prompt belongs on a line of its own.
  if (interactive) output.log("");
}

/**
 * Writes the answer while it comes and returns it, whole or as far as it was stopped; undefined if the turn
 * cannot be taken.
 */
async function answerTurn(
  { output, signal }: CommandContext,
  flags: Conversation,
  model: LoadedModel,
  messages: readonly ChatMessage[],
  stopped: AbortSignal,
  interactive: boolean,
): Promise<string | undefined> {
  let answer = "";
  try {
    const options = { ...generateOptions(flags, AbortSignal.any([signal, stopped])), ...flags.form };
    for await (const piece of model.generate(messages, options)) {
      answer += piece;
      output.write(piece);
    }
  } catch (error) {
    if (error instanceof OptionError && interactive) {
      output.log(`error: ${error.message}\n(/reset starts a new conversation)`);
      return undefined;
    }
    if (!(error instanceof AbortError)) throw error;
    if (!signal.aborted) output.log(" (stopped)");
  }
  output.write("\n");
  return answer;
}
