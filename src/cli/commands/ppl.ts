/** `fptq ppl`: perplexity of a text by llama-perplexity's rule, printed its way. */
import { Command } from "commander";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import type { PerplexityResult } from "../../evaluation/perplexity.ts";
import { addOutputOptions, addModelOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { integer, nonEmpty } from "../options/option-values.ts";

interface PplFlags extends ModelFlags {
  readonly file: string;
  readonly chunks?: number;
  readonly json?: boolean;
}

/** llama-perplexity's default. */
const DEFAULT_CONTEXT = 512;

const EXAMPLES = `
The text is cut into chunks of -c tokens; the second half of each is scored.

Examples:
  fptq ppl -m SmolLM2-w4a8 -f wiki.test.txt
  fptq ppl -m SmolLM2.gguf -f wiki.test.txt -c 512 --chunks 16
  fptq ppl -m SmolLM2-w4a8 -f wiki.test.txt -ctk f32 -ctv f32 --head f32 --json`;

export function pplCommand(context: CommandContext): Command {
  const command = new Command("ppl").description("measure perplexity on a text").optionsGroup("Text:");
  addRequiredOption(command, "-f, --file <path>", "UTF-8 text; - for stdin", nonEmpty);
  command.option("--chunks <n>", "score the first n chunks only (default: all)", integer(1));
  addModelOptions(command, `tokens in each chunk (default: ${DEFAULT_CONTEXT})`);
  return addOutputOptions(command, "ppl, ppl_all_positions, chunks, tokens")
    .addHelpText("after", EXAMPLES)
    .action((flags: PplFlags) => measurePerplexity(context, flags));
}

async function measurePerplexity(context: CommandContext, flags: PplFlags): Promise<void> {
  const { output, signal } = context;
  const contextSize = flags.ctxSize ?? DEFAULT_CONTEXT;
  const text = await readTextFile(context, "--file", flags.file);
  const { perplexity } = await context.library();
  await using model = await loadModelFromFlags(context, { ...flags, ctxSize: contextSize });

  const began = performance.now();
  const result = await perplexity(model, text, {
    contextSize,
    chunks: flags.chunks,
    signal,
    onProgress: ({ done: chunk, total: chunks, secondHalf }) => {
      if (chunk === 1) output.log(passEstimate((performance.now() - began) / 1000, chunks));
      output.logStream.write(`[${chunk}]${secondHalf.ppl.toFixed(4)},${chunk === chunks ? "\n" : ""}`);
    },
  });
  if (flags.json) output.json(perplexityDocument(result));
  else output.print(`Final estimate: PPL = ${result.ppl.toFixed(4)} +/- ${result.secondHalf.standardError.toFixed(5)}`);
}

function passEstimate(seconds: number, chunks: number): string {
  return `${chunks} chunks, ${seconds.toFixed(2)} seconds per pass - ETA ${((seconds * (chunks - 1)) / 60).toFixed(2)} minutes`;
}

/** The JSON of `ppl`. */
export function perplexityDocument({ ppl, pplAllPositions, chunks, tokens }: PerplexityResult) {
  return { ppl, ppl_all_positions: pplAllPositions, chunks, tokens };
}
