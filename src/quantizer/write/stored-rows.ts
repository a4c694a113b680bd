/**
 * Rows in the order in which the files of an architecture have them, where that is not the order in which
 * they are computed.
 */
import { byHeadOrder } from "../../architecture/by-head-rows.ts";
import type { Description, LinearModule } from "../../architecture/description.ts";

/** Gives the row to be stored at each place; undefined where rows stay as they are. */
export type RowOrder = (module: LinearModule) => ArrayLike<number> | undefined;

/** @param values [N, ...] of any width, in the order in which rows are computed */
export function reorderRows<T extends Int32Array | Float32Array | Uint16Array | Uint8Array>(
  values: T,
  order: ArrayLike<number> | undefined,
): T {
  if (!order) return values;
  const width = values.length / order.length;
  const stored = values.slice() as T;
  for (let row = 0; row < order.length; row++) {
    stored.set(values.subarray(order[row]! * width, (order[row]! + 1) * width), row * width);
  }
  return stored;
}

/**
 * Gives the row orders of a model's modules. Transposed ones have none: their packed weights are stored as
 * they are used.
 */
export function storedRowOrder({ config }: Description): RowOrder {
  return ({ storedOrder, outFeatures }) => (storedOrder === "by_head" ? byHeadOrder(outFeatures, config.headDim) : undefined);
}
