/** `fptq inspect`: what is in a model: its shape, its policy per layer, its tensors. */
import { basename } from "node:path";
import { Command } from "commander";
import { INPUT_NAMES } from "../../architecture/description.ts";
import { nodeSources } from "../../host/node/node-sources.ts";
import { locateModel } from "../../sources/locate-model.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { longestContext } from "../../architecture/rope-scaling.ts";
import { checkpointView } from "../../checkpoint/checkpoint-view.ts";
import { openCheckpoint } from "../../checkpoint/open-checkpoint.ts";
import { settleHead } from "../../checkpoint/settle-head.ts";
import type { CommandContext } from "../command-context.ts";
import { addOutputOptions, MEMORY_LIMIT } from "../options/model-options.ts";
import { describeModel, type InputPolicy, type ModelDescription, readEqualizedInputs } from "../model-description.ts";
import { byteCount, integer, nonEmpty } from "../options/option-values.ts";
import { formatBytes, formatCount, formatSignificant } from "../quantities.ts";
import { addSourceOptions, SOURCE_FORMS, type SourceFlags, sourceOptions } from "../options/source-options.ts";
import { describeRun, type RunDescription, runFields } from "../run-description.ts";
import { formatFields, formatTable } from "../table.ts";

const EXAMPLES = `
Examples:
  fptq inspect SmolLM2-w4a8
  fptq inspect SmolLM2.gguf --json | jq '.tensors[] | select(.dtype == "Q4_1") | .name'`;

export function inspectCommand(context: CommandContext): Command {
  const command = new Command("inspect")
    .description("show a model's shape, what running it takes, policy per layer and tensors")
    .argument("<model>", `quantized or unquantized folder, or a GGUF: ${SOURCE_FORMS}`, nonEmpty);
  addSourceOptions(command);
  command.option("-c, --ctx-size <n>", "tokens to say the memory of (default: as a model is loaded)", integer(1));
  command.option(...MEMORY_LIMIT, byteCount);
  return addOutputOptions(command, "the same, as data")
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: InspectFlags) => inspectModel(context, source, flags));
}

interface InspectFlags extends SourceFlags {
  readonly ctxSize?: number;
  readonly memoryLimit?: number;
  readonly json?: boolean;
}

async function inspectModel(context: CommandContext, source: string, flags: InspectFlags): Promise<void> {
  const { signal, output } = context;
  const onWarning = (message: string) => output.warn(message);
  const location = await locateModel(source, nodeSources(), { ...sourceOptions(flags), signal, onWarning });
  const checkpoint = await openCheckpoint(location, context.signal);
  try {
    // Comparing head and embedding reads both, which is not worth a download.
    const isRemote = location.forgetUnverified !== undefined;
    const settled = isRemote ? checkpoint : await settleHead(checkpoint, signal);
    const { config, notes } = settled;
    const description = await describeModel(checkpointView(checkpoint, { config, notes }), await readEqualizedInputs(location));
    const run = await describeRun(settled, { contextSize: flags.ctxSize, memoryLimit: flags.memoryLimit });
    if (flags.json) output.json({ ...description, run });
    else output.print(screen(description, run, config, output.columns));
  } finally {
    await checkpoint.close();
  }
}

function screen(model: ModelDescription, run: RunDescription, config: ModelConfig, columns: number | undefined): string {
  const notes = model.notes.map((note): [string, string] => ["note", note]);
  const sections = [formatFields([...summary(model, config), ...runFields(run), ...notes], columns)];
  if (model.policy.length > 0) sections.push(policyTable(model));
  sections.push(tensorTable(model));
  return sections.join("\n\n");
}

function summary(model: ModelDescription, config: ModelConfig): [string, string][] {
  const windows = [...new Set(config.attentionWindows)].filter((tokens) => tokens > 0);
  return [
    ["model", model.name],
    ["format", `${model.format}, ${model.tensors.length} tensors`],
    ["architecture", config.architecture],
    ["parameters", `${formatCount(model.parameters)}${config.tiedEmbedding ? ", the head shares the embedding" : ""}`],
    ["size", formatBytes(model.bytes)],
    ["bits per weight", `${model.bits_per_weight.toFixed(2)}, everything stored over all parameters`],
    ["weights", model.weight_types.map(({ dtype, parameters, bits }) => `${dtype} ${formatCount(parameters)}, ${bits.toFixed(2)} bits`).join("; ")],
    ["context", `${model.context_length} tokens${contextNote(config)}`],
    ["layers", `${config.layers}, hidden ${config.hiddenSize}, ffn ${config.ffnSize}`],
    ["attention", `${config.heads} heads, ${config.kvHeads} kv heads, head size ${config.headDim}${windows.length > 0 ? `, window ${windows.join(", ")}` : ""}${config.bidirectional ? ", tokens see those after them" : ""}${convolutionNote(config)}`],
    ["vocabulary", `${config.vocabSize}`],
    ["rope", `theta ${config.ropeTheta}${scalingNote(config)}`],
    ...(model.quantized?.simulated ? [["simulated", model.quantized.simulated] satisfies [string, string]] : []),
    ["quantized", model.quantized ? `W${model.quantized.weight_bits}A8, ${model.quantized.weight_types.join(" and ")} weights, groups of ${model.quantized.group_sizes.join(", ")}, cache ${model.quantized.kv_cache}` : model.weight_types.some(({ bits }) => bits < 16) ? "weights alone, by the file's types" : "no (linear layers run in f32)"],
  ]; // prettier-ignore
}

/** What stands in place of attention in some layers. */
function convolutionNote({ convolutionLayers: { length }, convolutionLength: tokens }: ModelConfig): string {
  return length === 0 ? "" : `; in ${length} layers convolutions over ${tokens} tokens instead`;
}

/** What is asked for with a larger context than the stated one. */
function contextNote(config: ModelConfig): string {
  const longest = longestContext(config);
  if (longest <= config.contextLength) return "";
  return config.ropeScaling.kind === "dynamic" ? ", more on request" : `, up to ${longest} on request`;
}

function scalingNote({ ropeScaling: scaling, contextLength }: ModelConfig): string {
  switch (scaling.kind) {
    case "none":
      return "";
    case "linear":
      return `, linear by ${scaling.factor}`;
    case "factors":
      return ", divided by a list of factors";
    case "llama3":
    case "yarn":
      return `, ${scaling.kind} by ${scaling.factor} from ${scaling.originalContextLength} tokens`;
    case "dynamic":
      return `, dynamic by ${scaling.factor}: a larger base if loaded for more than ${contextLength} tokens`;
    case "longrope":
      return `, longrope: short factors, or long ones if loaded for more than ${scaling.originalContextLength} tokens`;
  }
}

function policyTable({ policy }: ModelDescription): string {
  const inputs = INPUT_NAMES.filter((input) => policy.some((row) => row[input]));
  return formatTable(
    [{ head: "layer", align: "right" }, ...inputs.map((head) => ({ head }))],
    policy.map((row) => [`${row.layer}`, ...inputs.map((input) => cell(row[input]!))]),
  );
}

function cell({ policy, input_scale }: InputPolicy): string {
  if (policy === null) return "float";
  return input_scale === null ? policy : `${policy} ${formatSignificant(input_scale)}`;
}

function tensorTable({ tensors }: ModelDescription): string {
  // Files have their own order, often layer 0, 1, 10, 11; a person looks for layer 2 behind layer 1.
  const sorted = tensors.toSorted((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return formatTable(
    [{ head: "tensor" }, { head: "dtype" }, { head: "shape" }, { head: "size", align: "right" }, { head: "file" }],
    sorted.map(({ name, dtype, shape, bytes, file }) => [name, dtype, shape.join(" x "), formatBytes(bytes), basename(file)]),
  );
}
