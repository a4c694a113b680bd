/** The files of a quantized checkpoint beside its tensors. */
import type { OutputFolder } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { writeJson, writeTextFiles } from "../../checkpoint/folder-files.ts";
import { buildQuantizationConfig } from "../../checkpoint/quantization/quantization-config-builder.ts";
import { poolingJson } from "../../checkpoint/pooling.ts";
import { transposedModules } from "../../checkpoint/safetensors/stored-order.ts";
import type { QuantizationPlan } from "../decide/quantization-plan.ts";
import type { QuantizationReport } from "./quantization-report.ts";

export const REPORT_FILE = "quantization-report.json";

/** `config.json` with the source's own keys, the tokenizer, `generation_config.json` and the report. */
export async function writeModelFiles(
  output: OutputFolder,
  checkpoint: Checkpoint,
  plan: QuantizationPlan,
  report: QuantizationReport,
): Promise<void> {
  const { configJson, pooling } = checkpoint;
  const conv1D = transposedModules(plan.description);
  // An embedding of floats is no linear module that was left out.
  const named = [...plan.modules].filter(([, { module, scheme }]) => scheme || module !== plan.description.embedding);
  const schemes = new Map(named.map(([name, { scheme }]) => [name, scheme]));
  await writeJson(output, "config.json", {
    ...configJson,
    quantization_config: buildQuantizationConfig(schemes, {
      kvCache: plan.recipe.kvCache,
      isConv1D: (name) => conv1D.has(name),
      online: plan.description.config.online,
    }),
    // What compressed-tensors has no words for. No times or paths here: equal input gives an equal file.
    fptq: {
      format_version: report.format_version,
      ...(pooling && poolingJson(pooling)),
      recipe: report.recipe,
      calibration: report.calibration,
      bits_per_weight: report.bits_per_weight,
      layers: report.layers.map(({ name, range, policy, weight_nmse }) => ({ name, range, policy, weight_nmse })),
    },
  });
  await writeTextFiles(output, checkpoint);
  await writeJson(output, REPORT_FILE, { ...report });
}
