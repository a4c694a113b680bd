/** `fptq rerank`: how well documents answer a query, best first. */
import { Command } from "commander";
import { addRequiredOption } from "../arguments.ts";
import { type CommandContext, readTextFile, linesOf } from "../command-context.ts";
import { UsageError } from "../exit.ts";
import { addModelOptions, addOutputOptions, loadModelFromFlags, type ModelFlags } from "../options/model-options.ts";
import { nonEmpty } from "../options/option-values.ts";

interface RerankFlags extends ModelFlags {
  readonly prompt: string;
  readonly file: string;
  readonly instruction?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Example:
  fptq rerank -m Qwen3-Reranker-0.6B -p "What is the capital of China?" -f documents.txt`;

export function rerankCommand(context: CommandContext): Command {
  const command = new Command("rerank").description("order documents by how well they answer a query").optionsGroup("Texts:");
  addRequiredOption(command, "-p, --prompt <text>", "the query", nonEmpty);
  addRequiredOption(command, "-f, --file <path>", "a document on each line; - for stdin", nonEmpty);
  command.option("--instruction <text>", "what the query asks for (default: passages that answer a web search)", nonEmpty);
  addModelOptions(command, "most tokens of query and document (default: the model's context, at most 4096)");
  return addOutputOptions(command, "results, best first: index of the document from 0, score from 0 to 1")
    .addHelpText("after", EXAMPLES)
    .action((flags: RerankFlags) => printOrder(context, flags));
}

async function printOrder(context: CommandContext, flags: RerankFlags): Promise<void> {
  const documents = linesOf(await readTextFile(context, "--file", flags.file));
  if (documents.length === 0) throw new UsageError(`documents: got none in ${flags.file}, need at least one line`);
  const { output, signal } = context;
  await using model = await loadModelFromFlags(context, flags);
  const scores = await model.rerank(flags.prompt, documents, { instruction: flags.instruction, signal });
  const results = scores.map((score, index) => ({ index, score })).toSorted((a, b) => b.score - a.score);
  if (flags.json) output.json({ results });
  else for (const { index, score } of results) output.print(`${score.toFixed(4)}  ${documents[index]!}`);
}
