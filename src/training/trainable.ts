/** What of a quantized model can be tuned. */

/**
 * Weights of norms, weight scales, static scales of layer inputs and of the cache, biases, and low-rank
 * terms.
 */
export const TRAINABLE = ["norms", "scales", "ranges", "biases", "lorc"] as const;
export type Trainable = (typeof TRAINABLE)[number];
