/** `fptq embed`: vectors of texts, a line of JSON for each. */
import { Command, Option } from "commander";
import { POOLINGS, type PoolingKind } from "../../checkpoint/pooling.ts";
import { type CommandContext, readTextFile, linesOf } from "../command-context.ts";
import { UsageError } from "../exit.ts";
import { addModelOptions, addOutputOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { integer, nonEmpty, oneOf, repeatable } from "../options/option-values.ts";

interface EmbedFlags extends ModelFlags {
  readonly prompt?: readonly string[];
  readonly file?: string;
  readonly promptName?: string;
  readonly pooling?: PoolingKind;
  readonly embdNormalize?: number;
  readonly dimensions?: number;
}

const EXAMPLES = `
Each text gives one line of stdout, an array of numbers, in the order of the texts.

Examples:
  fptq embed -m Qwen3-Embedding-0.6B -p "The capital of China is Beijing."
  fptq embed -m Qwen3-Embedding-0.6B --prompt-name query -f queries.txt > queries.jsonl`;

export function embedCommand(context: CommandContext): Command {
  const command = new Command("embed")
    .description("turn texts into vectors")
    .optionsGroup("Texts:")
    .addOption(new Option("-p, --prompt <text>", "a text; may be given several times").argParser(repeatable).conflicts("file"))
    .option("-f, --file <path>", "a text on each line; - for stdin", nonEmpty)
    .option("--prompt-name <name>", "put this prompt of the model before each text, for instance query", nonEmpty)
    .optionsGroup("Vectors:")
    .option(`--pooling <${POOLINGS.join("|")}>`, "which states make the vector (default: as the model says)", oneOf(...POOLINGS))
    .option("--embd-normalize <-1|2>", "2: divide by the length, -1: do not (default: as the model says)", integer(-1, 2))
    .option("--dimensions <n>", "the first n channels only (default: all)", integer(1));
  addModelOptions(command, "most tokens in a text (default: the model's context, at most 4096)");
  return addOutputOptions(command)
    .addHelpText("after", EXAMPLES)
    .action((flags: EmbedFlags) => printVectors(context, flags));
}

async function printVectors(context: CommandContext, flags: EmbedFlags): Promise<void> {
  const { file, promptName, pooling, embdNormalize, dimensions, prompt } = flags;
  if (embdNormalize === 0 || embdNormalize === 1) throw new UsageError(`--embd-normalize: got ${embdNormalize}, need -1 or 2`);
  const texts = file === undefined ? (prompt ?? []) : linesOf(await readTextFile(context, "--file", file));
  if (texts.length === 0) throw new UsageError("texts: got none, need -p TEXT or -f FILE");
  const { output, signal } = context;
  const normalize = embdNormalize === undefined ? undefined : embdNormalize === 2;
  await using model = await loadModelFromFlags(context, flags);
  for (const vector of await model.embed(texts, { promptName, pooling, normalize, dimensions, signal })) {
    output.print(`[${vector.join(", ")}]`);
  }
}
