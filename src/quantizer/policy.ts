/**
 * Policy: how the input of each linear layer is quantized (FPTQ, Algorithm 1 and Table 2).
 *
 * Data in, data out: the table is printed, saved with the checkpoint, overridden by hand, and read by the equalizer and the
 * writer, none of which decides anything again.
 */
import type { LinearInput } from "../checkpoint/tensor-names.ts";
import { RecipeError } from "../errors.ts";
import type { InputAnalysis } from "./analyse.ts";
import { followsNorm, linearInputName } from "./linear-inputs.ts";

/** How one input is quantized. Both fields are free of each other: SmoothQuant equalizes and then scales per token. */
export interface ActivationPolicy {
  /** One calibrated scale for all tokens, or one per token computed while running. */
  readonly kind: "static" | "dynamic";
  /** Whether the preceding norm evens out the channels first. */
  readonly equalize: boolean;
}

/** How a policy is chosen. */
export type PolicyRule =
  /** By activation range, Algorithm 1: up to `v0` static, between the two equalized and static, from `v1` on dynamic. */
  | { readonly kind: "range"; readonly v0: number; readonly v1: number }
  /** The same for every input. */
  | { readonly kind: "uniform"; readonly activations: "static" | "dynamic" };

/** v0 and v1 of the paper, section 4.2: tens are safe for one scale, hundreds are not. */
export const PAPER_THRESHOLDS = { v0: 15, v1: 150 } as const;

/** What is printed, and what an override may ask for. */
export type PolicyName = "static" | "lae+static" | "dynamic" | "lae+dynamic";

const POLICIES: Readonly<Record<PolicyName, ActivationPolicy>> = {
  static: { kind: "static", equalize: false },
  "lae+static": { kind: "static", equalize: true },
  dynamic: { kind: "dynamic", equalize: false },
  "lae+dynamic": { kind: "dynamic", equalize: true },
};

export function policyName({ kind, equalize }: ActivationPolicy): PolicyName {
  return equalize ? `lae+${kind}` : kind;
}

/**
 * The policy of one input.
 *
 * @param range the largest absolute value seen at this input during calibration
 * @throws RecipeError if the range is not a finite number of at least 0
 */
export function selectPolicy(rule: PolicyRule, input: LinearInput, range: number): ActivationPolicy {
  if (!(range >= 0 && range < Infinity)) {
    throw new RecipeError(`activation range of ${input}: got ${range}, need a finite number of at least 0`);
  }
  if (rule.kind === "uniform") return POLICIES[rule.activations];
  if (range >= rule.v1) return POLICIES.dynamic;
  if (range <= rule.v0) return POLICIES.static;
  if (followsNorm(input)) return POLICIES["lae+static"];
  // Between the thresholds without a norm to fold into: the output projection stays static, as in the paper's "Dense" row.
  return input === "o" ? POLICIES.static : POLICIES.dynamic;
}

/** @throws RecipeError if a threshold is negative or NaN, or v0 is above v1 */
export function checkPolicyRule(rule: PolicyRule): void {
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
  if (equals < 1) throw new RecipeError(`policy override "${text}": need PATTERN=POLICY, as in "model.layers.3.*=dynamic"`);
  const policy = text.slice(equals + 1);
  if (!Object.hasOwn(POLICIES, policy)) {
    throw new RecipeError(
      `policy override "${text}": unknown policy "${policy}", need one of ${Object.keys(POLICIES).join(", ")}`,
    );
  }
  return { pattern: text.slice(0, equals), policy: policy as PolicyName };
}

export interface PolicyRow {
  /** `model.layers.0.qkv` */
  readonly name: string;
  readonly layer: number;
  readonly input: LinearInput;
  /** v of Algorithm 1, before equalization. */
  readonly range: number;
  readonly policy: ActivationPolicy;
  /** The pattern that set it, if the rule did not. */
  readonly override: string | undefined;
}

/**
 * The policy of every linear input of the model, in the order of the analysis. Later overrides win over earlier ones.
 *
 * @throws RecipeError if an override matches nothing, or equalizes an input that follows no norm
 */
export function selectPolicies(
  analysis: readonly InputAnalysis[],
  rule: PolicyRule,
  overrides: readonly PolicyOverride[] = [],
): PolicyRow[] {
  checkPolicyRule(rule);
  const matchers = overrides.map((override) => ({ ...override, matches: globMatcher(override.pattern) }));
  const table = analysis.map(({ layer, input, range }): PolicyRow => {
    const name = linearInputName(layer, input);
    const override = matchers.findLast(({ matches }) => matches(name));
    const policy = override ? POLICIES[override.policy] : selectPolicy(rule, input, range);
    if (policy.equalize && !followsNorm(input)) {
      throw new RecipeError(`policy override "${override?.pattern}": ${name} follows no norm that could absorb an equalization`);
    }
    return { name, layer, input, range, policy, override: override?.pattern };
  });
  for (const { pattern, matches } of matchers) {
    if (table.some(({ name }) => matches(name))) continue;
    const names = table.length > 0 ? `; names run from ${table[0]!.name} to ${table.at(-1)!.name}` : "";
    throw new RecipeError(`policy override "${pattern}" matches no linear input${names}`);
  }
  return table;
}

/** `*` matches any run of characters, everything else itself. */
function globMatcher(pattern: string): (name: string) => boolean {
  const literals = pattern.split("*").map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const regex = new RegExp(`^${literals.join(".*")}$`);
  return (name) => regex.test(name);
}
