/** `fptq run`: continue a prompt, or answer it as one turn of a conversation. */
import { Command, Option } from "commander";
import type { GenerationResult, StageTiming } from "../../decoding/generation-options.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { UsageError } from "../exit.ts";
import type { ChatMessage } from "../../tokenizer/chat-template.ts";
import { addOutputOptions, addModelOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { nonEmpty } from "../options/option-values.ts";
import {
  addSamplingOptions,
  formOptions,
  generateOptions,
  samplingLine,
  type SamplingFlags,
  unescape,
} from "../options/sampling-options.ts";
import { startLine, timingLines } from "../timings.ts";

interface RunFlags extends ModelFlags, SamplingFlags {
  readonly prompt?: string;
  readonly file?: string;
  readonly singleTurn?: boolean;
  readonly systemPrompt?: string;
  readonly displayPrompt: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  fptq run -m SmolLM2-w4a8 -p "The capital of France is" -n 16 --temp 0
  fptq run -m SmolLM2-w4a8 -st -sys "Answer in one sentence." -p "Why is the sky blue?"
  fptq run -m SmolLM2.gguf -f story.txt -n 200 -s 42 -r "The end"
  fptq run -m SmolLM2-w4a8 -st -f list.json -n -1 --draft-max 32
  fptq run -m SmolLM2-w4a8 -st -p "Who wrote Emma?" -j '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}'
  fptq run -m SmolLM2-w4a8 -p "2 + 2 =" -n 4 --json | jq .tokens`;

export function runCommand(context: CommandContext): Command {
  const command = new Command("run")
    .description("generate text from a prompt")
    .optionsGroup("Prompt:")
    .addOption(new Option("-p, --prompt <text>", "the prompt").conflicts("file"))
    .option("-f, --file <path>", "read the prompt from a file; - for stdin", nonEmpty)
    .option("--st, --single-turn", "answer the prompt as one user turn, through the model's chat template")
    .option("--sys, --system-prompt <text>", "system message of that turn (needs -st)");
  addModelOptions(command, "tokens of prompt and text together (default: the model's, at most 4096)");
  addSamplingOptions(command, 128);
  return addOutputOptions(command, "text, tokens, timings, why it stopped")
    .option("--no-display-prompt", "print the generated text only, without the prompt before it")
    .addHelpText("after", EXAMPLES)
    .action((flags: RunFlags) => generateText(context, flags));
}

async function generateText(context: CommandContext, flags: RunFlags): Promise<void> {
  const { output, signal } = context;
  const prompt = await readPrompt(context, flags);
  const form = await formOptions(context, flags);
  // Since the process began.
  const times = { command: performance.now(), library: 0, model: 0, text: 0 };

  await context.library();
  times.library = performance.now();
  await using model = await loadModelFromFlags(context, flags);
  times.model = performance.now();
  if (flags.verbose) output.log(samplingLine(flags, model.recommendedSampling));
  const options = { ...generateOptions(flags, signal), ...form };
  const generation = model.generate(flags.singleTurn ? conversation(prompt, flags) : prompt, options);

  if (flags.json) {
    for await (const _ of generation); // Only the result is wanted, but it is the iteration that carries the work.
    output.json(resultDocument(await generation.result));
    return;
  }
  if (flags.displayPrompt && !flags.singleTurn) output.write(prompt);
  for await (const piece of generation) {
    times.text ||= performance.now();
    output.write(piece);
  }
  output.write("\n");
  const result = await generation.result;
  if (flags.verbose) output.log(startLine(times));
  for (const line of timingLines(result)) output.log(line);
}

async function readPrompt(context: CommandContext, flags: RunFlags): Promise<string> {
  if (flags.systemPrompt !== undefined && !flags.singleTurn) {
    throw new UsageError("-sys: got a system message without -st, need -st: a plain prompt has no system message");
  }
  if (flags.prompt !== undefined) return unescape(flags, flags.prompt);
  if (flags.file !== undefined) return readTextFile(context, "--file", flags.file);
  throw new UsageError("prompt: got nothing, need -p TEXT or -f FILE");
}

function conversation(prompt: string, flags: RunFlags): ChatMessage[] {
  const system: ChatMessage[] =
    flags.systemPrompt === undefined ? [] : [{ role: "system", content: unescape(flags, flags.systemPrompt) }];
  return [...system, { role: "user", content: prompt }];
}

/** The JSON of `run`. */
export function resultDocument({ text, tokens, promptTokens, prefill, decode, drafts, stop }: GenerationResult) {
  const timings = { prefill: timingDocument(prefill), decode: timingDocument(decode) };
  return { text, tokens, prompt_tokens: promptTokens, ...timings, drafts, stop };
}

const timingDocument = ({ ms, tokensPerSecond }: StageTiming) => ({ ms, tokens_per_second: tokensPerSecond });
