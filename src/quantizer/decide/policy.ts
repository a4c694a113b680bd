/**
 * Policy: how the input of each linear layer is quantized (FPTQ, Algorithm 1 and Table 2).
 *
 * Data in, data out: the table is printed, saved with the checkpoint, overridden by hand, and read by the
 * equalizer and the writer, none of which decides anything again.
 */
import type { InputName } from "../../architecture/description.ts";
import { RecipeError } from "../../errors.ts";
import type { InputAnalysis } from "./analyze-inputs.ts";
import { EQUALIZATIONS, type EqualizationMethod } from "../transform/equalize.ts";

/**
 * One calibrated scale for all tokens, one per token computed while running, or activations left in float.
 */
export type ActivationKind = "static" | "dynamic" | "none";

/**
 * How one input is quantized. Both fields are free of each other: SmoothQuant equalizes and then scales per
 * token.
 */
export interface ActivationPolicy {
  readonly kind: ActivationKind;
  /** Whether the preceding norm evens out the channels first. */
  readonly equalize: boolean;
}

/** How a policy is chosen. */
export type PolicyRule =
  /**
   * By activation range, Algorithm 1: up to `v0` static, between the two equalized and static, from `v1` on
   * dynamic.
   */
  | { readonly kind: "range"; readonly v0: number; readonly v1: number }
  /** The same for every input, equalized where the recipe equalizes and a norm comes before. */
  | { readonly kind: "uniform"; readonly activations: ActivationKind }
  /**
   * By measured error: static where one scale for all tokens adds at most `tolerance` to the relative error
   * at the output of an input's linears, beyond what a scale per token leaves (`activation-error.ts`), else
   * dynamic; equalized like "uniform".
   */
  | { readonly kind: "auto"; readonly tolerance: number };

/**
 * Default tolerance. On SmolLM2-135M the added error is below 0.0004 at QKV and gate/up once they are
 * equalized, 0.0002 to 0.004 at the output projection, and above 0.01 at the down projection.
 */
export const DEFAULT_TOLERANCE = 0.005;

/** v0 and v1 of the paper, section 4.2: tens are safe for one scale, hundreds are not. */
export const PAPER_THRESHOLDS = { v0: 15, v1: 150 } as const;

type Equalizing = Exclude<EqualizationMethod["kind"], "none">;

/** What is printed, and what an override may ask for. */
export type PolicyName = ActivationKind | `${Equalizing}+${ActivationKind}`;

const KINDS: readonly ActivationKind[] = ["static", "dynamic", "none"];
const NAMES: readonly PolicyName[] = [
  ...KINDS,
  ...EQUALIZATIONS.filter((method) => method !== "none").flatMap((method) => KINDS.map((kind) => `${method}+${kind}` as const)),
];

/** @param method what equalizing means in the recipe */
export function policyName({ kind, equalize }: ActivationPolicy, method: EqualizationMethod["kind"]): PolicyName {
  return equalize && method !== "none" ? `${method}+${kind}` : kind;
}

/**
 * The policy of one input.
 *
 * @param analysis of the input; its range is the largest absolute value seen at it during calibration
 * @param equalizes whether the recipe equalizes what its rule leaves open
 * @returns for "auto" what it is before anything was measured: static
 * @throws RecipeError if the range is not a finite number of at least 0
 */
export function selectPolicy(
  rule: PolicyRule,
  { input, range, followsNorm }: Pick<InputAnalysis, "input" | "range" | "followsNorm">,
  equalizes: boolean,
): ActivationPolicy {
  if (!(range >= 0 && range < Infinity)) {
    throw new RecipeError(`activation range of ${input}: got ${range}, need a finite number of at least 0`);
  }
  if (rule.kind !== "range") {
    return { kind: rule.kind === "uniform" ? rule.activations : "static", equalize: equalizes && followsNorm };
  }
  if (range >= rule.v1) return { kind: "dynamic", equalize: false };
  if (range <= rule.v0) return { kind: "static", equalize: false };
  if (followsNorm) return { kind: "static", equalize: true };
  // Between the thresholds without a norm to fold into: the output projection stays static, as in the paper's
  // "Dense" row.
  return { kind: input === "o" ? "static" : "dynamic", equalize: false };
}

/** @throws RecipeError if a threshold is negative or NaN, or v0 is above v1 */
export function checkPolicyRule(rule: PolicyRule): void {
  if (rule.kind === "auto" && !(rule.tolerance >= 0)) {
    throw new RecipeError(`tolerance: got ${rule.tolerance}, need a number of at least 0`);
  }
  if (rule.kind !== "range") return;
  for (const threshold of ["v0", "v1"] as const) {
    if (!(rule[threshold] >= 0)) throw new RecipeError(`${threshold}: got ${rule[threshold]}, need a number of at least 0`);
  }
  if (rule.v0 > rule.v1) throw new RecipeError(`thresholds: got v0 = ${rule.v0} above v1 = ${rule.v1}`);
}

/** A policy set by hand for every input whose name matches. `*` stands for any run of characters. */
export interface PolicyOverride {
  /** For instance `model.layers.3.*` or `*.down`. */
  readonly pattern: string;
  readonly policy: PolicyName;
}

/**
 * Reads `PATTERN=POLICY`, for instance `model.layers.3.*=dynamic`.
 *
 * @throws RecipeError if it has another form or names no policy
 */
export function parsePolicyOverride(text: string): PolicyOverride {
  const equals = text.lastIndexOf("=");
  if (equals < 1) throw new RecipeError(`policy override: got "${text}", need PATTERN=POLICY, as in "model.layers.3.*=dynamic"`);
  const policy = NAMES.find((name) => name === text.slice(equals + 1));
  if (policy === undefined) {
    const known = `${KINDS.join(", ")}, or one of them after ${EQUALIZATIONS.slice(0, -1).join("+, ")}+`;
    throw new RecipeError(`policy override "${text}": got policy "${text.slice(equals + 1)}", need ${known}`);
  }
  return { pattern: text.slice(0, equals), policy };
}

/** What the name of a policy says. */
export function parsePolicyName(name: PolicyName): ActivationPolicy & { readonly method: EqualizationMethod["kind"] } {
  const [kind, method] = name.split("+").toReversed() as [ActivationKind, Equalizing | undefined];
  return { kind, equalize: method !== undefined, method: method ?? "none" };
}

export interface PolicyRow {
  /** `model.layers.0.qkv` */
  readonly name: string;
  readonly layer: number;
  readonly input: InputName;
  /** v of Algorithm 1, before equalization. */
  readonly range: number;
  readonly policy: ActivationPolicy;
  /** The pattern that set it, if the rule did not. */
  readonly override: string | undefined;
}

/**
 * The policy of every linear input given, in the order of the analysis. Later overrides win over earlier
 * ones.
 *
 * @throws RecipeError if an override equalizes an input that follows no norm
 */
export function selectPolicies(
  analysis: readonly InputAnalysis[],
  rule: PolicyRule,
  overrides: readonly PolicyOverride[] = [],
  equalizes = false,
): PolicyRow[] {
  checkPolicyRule(rule);
  const matchers = overrides.map((override) => ({ ...override, matches: globMatcher(override.pattern) }));
  return analysis.map((row): PolicyRow => {
    const { name, layer, input, range, followsNorm } = row;
    const override = matchers.findLast(({ matches }) => matches(name));
    if (!override) return { name, layer, input, range, policy: selectPolicy(rule, row, equalizes), override: undefined };
    const { kind, equalize } = parsePolicyName(override.policy);
    if (equalize && !followsNorm) {
      throw new RecipeError(`policy override "${override.pattern}": ${name} follows no norm that could absorb an equalization`);
    }
    return { name, layer, input, range, policy: { kind, equalize }, override: override.pattern };
  });
}

/** @throws RecipeError if an override matches none of the names of linear inputs */
export function checkOverrides(names: readonly string[], overrides: readonly PolicyOverride[]): void {
  for (const { pattern } of overrides) {
    if (names.some(globMatcher(pattern))) continue;
    const range = names.length > 0 ? `; names run from ${names[0]} to ${names.at(-1)}` : "";
    throw new RecipeError(`policy override "${pattern}" matches no linear input${range}`);
  }
}

/** `*` matches any run of characters, everything else itself. */
function globMatcher(pattern: string): (name: string) => boolean {
  const literals = pattern.split("*").map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const regex = new RegExp(`^${literals.join(".*")}$`);
  return (name) => regex.test(name);
}
