/** Memory for a linear layer, by how it is stored and will run. */
import { NULL } from "../../kernels/pointer.ts";
import type { Planner } from "../workspace/workspace.ts";
import { PANEL_ROWS } from "../weights/weight-packer.ts";
import type { Linear, Product, ProductInput } from "./linear.ts";
import { type LinearSpec, orderOf, packedForm, productInputs, type ProductSpec, storedGroup, totalRank } from "./linear-spec.ts";
import { planLowRank } from "./low-rank.ts";
import { weightForm } from "./weight-forms.ts";

/** Reserves memory for a layer of this spec. */
export function planLinear(planner: Planner, spec: LinearSpec): Linear {
  const { N, K: inFeatures, products } = spec;
  const rank = totalRank(spec);
  const what = spec.parts.map(({ name }) => name).join(", ");
  const lowRankTerm = rank > 0 && { lowRank: planLowRank(planner, N, inFeatures, rank, what) };
  const bias = spec.bias ? planner.plan.reserve("weights", 4 * N, `bias of ${what}`) : NULL;
  const inputs = productInputForms(products, inFeatures);
  let row = 0;
  const planned: Product[] = [];
  for (const [i, product] of products.entries()) {
    planned.push({ ...planProduct(planner, product, inFeatures), input: inputs[i]!, row, N: product.N });
    row += product.N;
  }
  return { N, inFeatures, bias, products: planned as [Product, ...Product[]], ...lowRankTerm };
}

function planProduct({ plan, sizes }: Planner, product: ProductSpec, inFeatures: number) {
  const form = packedForm(product);
  const K = productInputs(product, inFeatures);
  const groupSize = groupOf(product, inFeatures);
  // Panel by panel: 32 bits may not hold the size of a whole matrix.
  const panelBytes = weightForm(form).bytes(sizes, { N: PANEL_ROWS, K, G: groupSize }) >>> 0;
  const bytes = Math.ceil(product.N / PANEL_ROWS) * panelBytes;
  const what = product.parts.map(({ name }) => name).join(", ");
  const order = orderOf(product) && plan.reserve("weights", 4 * K, `order of columns of ${what}`);
  return { form, K, groupSize, weights: plan.reserve("weights", bytes, what), order };
}

/** A group of the whole row grows with it. */
function groupOf(product: ProductSpec, inFeatures: number): number {
  const K = productInputs(product, inFeatures);
  if (product.stored.kind === "float" || product.run.kind !== "qd8") return K;
  const G = storedGroup(product.stored, inFeatures);
  return G === inFeatures ? K : G;
}

/**
 * What each product reads: one object where products read the same. Those that need no sums take those that
 * others need.
 */
function productInputForms(products: readonly ProductSpec[], inFeatures: number): ProductInput[] {
  const sums = products.map((product) =>
    product.run.kind === "qd8" ? weightForm(packedForm(product)).sumsOf(groupOf(product, inFeatures)) : undefined,
  );
  const common = sums.find((group) => group !== undefined);
  const known = new Map<string, ProductInput>();
  return products.map((product, i) => {
    const { run } = product;
    const input = run.kind === "qd8" ? { ...run, sumsOf: sums[i] ?? common ?? productInputs(product, inFeatures) } : run;
    const key = JSON.stringify(input);
    const same = known.get(key);
    if (!same) known.set(key, input);
    return same ?? input;
  });
}
