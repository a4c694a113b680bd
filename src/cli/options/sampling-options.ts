/** Options of the commands that generate text, with llama.cpp's names and defaults. */
import { type Command, Option } from "commander";
import type { GenerateOptions } from "../../decoding/generation-options.ts";
import { DEFAULT_SAMPLING } from "../../decoding/sampling/sampling.ts";
import type { RecommendedSampling } from "../../checkpoint/recommended-sampling.ts";
import { describe, isJsonObject, type JsonObject } from "../../json-object.ts";
import { type CommandContext, readTextFile } from "../command-context.ts";
import { UsageError } from "../exit.ts";
import { integer, number, processEscapes, repeatable } from "./option-values.ts";

export interface SamplingFlags {
  readonly predict: number;
  readonly seed?: number;
  readonly temp?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repeatPenalty?: number;
  readonly repeatLastN?: number;
  readonly reversePrompt?: readonly string[];
  readonly ignoreEos?: boolean;
  readonly draftMax?: number;
  readonly grammar?: string;
  readonly grammarFile?: string;
  readonly jsonSchema?: string;
  readonly jsonSchemaFile?: string;
  readonly escape: boolean;
}

const byDefault = (option: keyof typeof DEFAULT_SAMPLING) => `(default: the model's, else ${DEFAULT_SAMPLING[option]})`;

/** @param predict default of -n; -1 generates until an end token or a full context */
export function addSamplingOptions(command: Command, predict: number): Command {
  return command
    .optionsGroup("Sampling:")
    .option("-n, --predict <n>", "tokens to generate at most; -1: until the context is full", integer(-1), predict)
    .option(
      "-s, --seed <n>",
      "seed of the sampler, the same text again for the same seed (default: -1, random)",
      integer(-1, 0xffffffff),
    )
    .option("--temp <t>", `temperature; 0 always takes the most likely token ${byDefault("temperature")}`, number(0))
    .option("--top-k <k>", `keep the k most likely tokens; 0 keeps all ${byDefault("topK")}`, integer(0))
    .option("--top-p <p>", `keep the smallest set whose probabilities reach p; 1 keeps all ${byDefault("topP")}`, number(0, 1))
    .option("--min-p <p>", `keep tokens at least p times as likely as the best; 0 keeps all ${byDefault("minP")}`, number(0, 1))
    .option("--repeat-penalty <r>", `penalty on recent tokens; 1 is none ${byDefault("repeatPenalty")}`, number(0.01))
    .option("--repeat-last-n <n>", `how many recent tokens that means; 0: none, -1: all ${byDefault("repeatLastN")}`, integer(-1))
    .option("-r, --reverse-prompt <text>", "stop before this text; repeatable", repeatable)
    .option("--ignore-eos", "go on after an end token")
    .addOption(form("--grammar <text>", "what the text must look like, in GBNF", "grammarFile", "jsonSchema", "jsonSchemaFile"))
    .addOption(form("--grammar-file <path>", "read the grammar from a file", "grammar", "jsonSchema", "jsonSchemaFile"))
    .addOption(form("-j, --json-schema <schema>", "JSON schema that the text must hold to; {} for any JSON", "jsonSchemaFile"))
    .addOption(form("--jf, --json-schema-file <path>", "read the schema from a file"))
    .option(
      "--draft-max <n>",
      "tokens to guess ahead at most where text repeats itself: the same text, sooner; 0: none (default: 16)",
      integer(0),
    )
    .option("--no-escape", "take backslashes in -p, -sys and -r as they are, instead of \\n, \\t, \\xHH");
}

/** @param others options that say the same in another way */
function form(flags: string, description: string, ...others: readonly string[]): Option {
  return new Option(flags, description).conflicts([...others]);
}

/** The form of the text that is asked for. @throws UsageError for a schema that is no JSON */
export async function formOptions(context: CommandContext, flags: SamplingFlags): Promise<GenerateOptions> {
  const read = (option: string, path: string | undefined) => path !== undefined && readTextFile(context, option, path);
  const grammar = flags.grammar ?? (await read("--grammar-file", flags.grammarFile));
  if (grammar) return { grammar };
  const schema = flags.jsonSchema ?? (await read("--json-schema-file", flags.jsonSchemaFile));
  if (!schema) return {};
  const option = flags.jsonSchema === undefined ? flags.jsonSchemaFile : "--json-schema";
  return { responseFormat: { type: "json_schema", json_schema: { schema: schemaIn(schema, option!) } } };
}

function schemaIn(text: string, option: string): JsonObject {
  try {
    const schema: unknown = JSON.parse(text);
    if (isJsonObject(schema)) return schema;
  } catch {
    // Said below.
  }
  throw new UsageError(`${option}: got ${describe(text)}, need a JSON schema`);
}

export function generateOptions(flags: SamplingFlags, signal: AbortSignal | undefined): GenerateOptions {
  return {
    maxTokens: flags.predict === -1 ? undefined : flags.predict,
    temperature: flags.temp,
    topK: flags.topK,
    topP: flags.topP,
    minP: flags.minP,
    repeatPenalty: flags.repeatPenalty,
    repeatLastN: flags.repeatLastN,
    seed: flags.seed === -1 ? undefined : flags.seed,
    stop: flags.reversePrompt?.map((text) => unescape(flags, text)),
    ignoreEos: flags.ignoreEos,
    draftMax: flags.draftMax,
    signal,
  };
}

/** The sampling of a run for `-v`: each value, and whose it is. */
export function samplingLine(flags: SamplingFlags, recommended: RecommendedSampling): string {
  const given = generateOptions(flags, undefined);
  const parts = (Object.keys(DEFAULT_SAMPLING) as (keyof typeof DEFAULT_SAMPLING)[]).map((option) => {
    const [value, whose] =
      given[option] !== undefined ? [given[option], "given"]
      : recommended[option] !== undefined ? [recommended[option], "the model's"]
      : [DEFAULT_SAMPLING[option], "default"]; // prettier-ignore
    return `${option} ${value} (${whose})`;
  });
  return `sampling: ${parts.join(", ")}`;
}

/** Text of an option, with its escapes carried out unless `--no-escape`. */
export function unescape({ escape }: Pick<SamplingFlags, "escape">, text: string): string {
  return escape ? processEscapes(text) : text;
}
