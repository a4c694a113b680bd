/** The report of a quantization, as a table and as the JSON of `quantize`. */
import type { DistillationSummary, LayerInputReport, QuantizationReport } from "../quantizer/write/quantization-report.ts";
import { formatDuration, formatSignificant } from "./quantities.ts";
import { formatTable } from "./table.ts";

/** The JSON of `quantize`: these keys, whatever else the report file carries. */
export function reportDocument({
  recipe,
  layers,
  bits_per_weight,
  kept,
  distillation,
  simulated,
  static_share,
  seconds,
  stages,
}: QuantizationReport) {
  return {
    recipe,
    layers: layers.map(({ name, range, policy, weights, input_scale, ...errors }) => ({
      name,
      range,
      policy,
      ...(weights !== undefined && { weights }),
      input_scale,
      weight_nmse: errors.weight_nmse,
      nearest_weight_nmse: errors.nearest_weight_nmse,
      output_nmse: errors.output_nmse,
      nearest_output_nmse: errors.nearest_output_nmse,
      kept_share: errors.kept_share,
    })),
    bits_per_weight,
    kept,
    distillation,
    simulated,
    static_share,
    seconds,
    stages,
  };
}

interface Column {
  readonly head: string;
  readonly cell: (row: LayerInputReport) => number | null;
}

/**
 * Errors as they are, and, where rounding did better than nearest, what nearest would have left. Output
 * errors where they were measured.
 */
export function reportTable({ layers }: QuantizationReport): string {
  const columns: Column[] = [
    { head: "weight NMSE", cell: (row) => row.weight_nmse },
    { head: "of nearest", cell: (row) => row.nearest_weight_nmse },
    { head: "output NMSE", cell: (row) => row.output_nmse },
    { head: "of nearest", cell: (row) => row.nearest_output_nmse },
  ];
  const isMixed = layers.some(({ weights }) => weights !== undefined);
  const sameAsNearest = layers.every((row) => row.weight_nmse === row.nearest_weight_nmse);
  const shown = columns.filter(
    ({ head, cell }) => layers.some((row) => cell(row) !== null) && !(sameAsNearest && head === "of nearest"),
  );
  return formatTable(
    [
      { head: "layer input" },
      { head: "range", align: "right" },
      { head: "policy" },
      ...(isMixed ? [{ head: "weights" }] : []),
      { head: "input scale", align: "right" },
      ...shown.map(({ head }) => ({ head, align: "right" as const })),
    ],
    layers.map((row) => [
      row.name,
      formatSignificant(row.range),
      row.policy,
      ...(isMixed ? [row.weights!] : []),
      inputScale(row),
      ...shown.map(({ cell }) => formatSignificant(cell(row)!)),
    ]),
  );
}

function inputScale({ policy, input_scale }: LayerInputReport): string {
  if (input_scale !== null) return formatSignificant(input_scale);
  return policy.endsWith("none") ? "float" : "per token";
}

/** The choices made and the time they took, in lines for people. */
export function reportSummary(report: QuantizationReport): string {
  const { recipe, layers, bits_per_weight, blocks, distillation, simulated, static_share, seconds, stages } = report;
  const { name, weights, activations, equalize, policy, round, scaleConstraint } = recipe;
  const kinds = `${weights} weights, ${activations === "none" ? "float" : activations} activations`;
  const parts = `equalize ${equalize.kind}, policy ${policy.kind}, round ${round.kind}${scaleConstraint === "none" ? "" : `, scale constraint ${scaleConstraint}`}`;
  const share = static_share === null ? "" : `, ${Math.round(100 * static_share)} % of layer inputs static`;
  const spent = Object.entries(stages).map(([stage, time]) => `${stage} ${formatDuration(time)}`).join(", "); // prettier-ignore
  return [
    `recipe ${name}: ${kinds}, ${parts}`,
    ...(blocks === null ? [] : [learnedLine(blocks)]),
    ...keptLines(report),
    ...(distillation === null ? [] : [distillationLine(distillation)]),
    ...(simulated === null ? [] : [simulated]),
    `${bits_per_weight.toFixed(2)} bits per weight in the layers${mixture(layers)}${share}`,
    `took ${formatDuration(seconds)}: ${spent}`,
  ].join("\n");
}

/** Most modules named that could not keep their codes. */
const MOST_NAMED = 4;

/** What became of the codes of a source that were to be kept. */
function keptLines({ kept }: QuantizationReport): string[] {
  if (kept === null) return [];
  const { share, rounded } = kept;
  const more = rounded.length > MOST_NAMED ? ` and ${rounded.length - MOST_NAMED} more` : "";
  const named = `on no grid of 4 bits, rounded: ${rounded.slice(0, MOST_NAMED).join(", ")}${more}`;
  return [`${(100 * share).toFixed(2)} % of the weights keep their codes`, ...(rounded.length === 0 ? [] : [named])];
}

function mixture(layers: QuantizationReport["layers"]): string {
  if (layers.every(({ weights }) => weights === undefined)) return "";
  return `, 8 bits at ${layers.filter(({ weights }) => weights === "int8").length} of ${layers.length} layer inputs`;
}

function learnedLine(blocks: NonNullable<QuantizationReport["blocks"]>): string {
  const mean = (of: (block: (typeof blocks)[number]) => number) =>
    formatSignificant(blocks.reduce((sum, block) => sum + of(block), 0) / blocks.length);
  const before = `nearest ${mean((block) => block.nearest_output_nmse)}, searched ${mean((block) => block.searched_output_nmse)}`;
  return `learned rounding: mean output NMSE of blocks ${mean((block) => block.learned_output_nmse)}; ${before}`;
}

function distillationLine({ loss, steps, first_loss, last_loss, validation, stopped }: DistillationSummary): string {
  const divergence = loss === "kl" ? "KL divergence" : "Jensen-Shannon divergence";
  const change = `${formatSignificant(first_loss)} to ${formatSignificant(last_loss)} nats on the samples`;
  const held =
    validation &&
    `, ${formatSignificant(validation.first_loss)} to ${formatSignificant(validation.kept_loss)} on those held out, kept after step ${validation.kept_step}`;
  const end = stopped === null ? "" : `; stopped: ${stopped}`;
  return `distilled in ${steps} steps: ${divergence} to the float model from ${change}${held ?? ""}${end}`;
}
