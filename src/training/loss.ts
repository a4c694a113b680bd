/** What distillation lowers: how far the student's next-token distribution Q is from the teacher's P. */

/**
 * kl   KL(P || Q) jsd  Jensen-Shannon divergence (KL(P || M) + KL(Q || M)) / 2, M = (P + Q) / 2: bounded by
 * ln 2, less drawn by
 *      what P alone finds likely. Near P = Q a quarter of KL.
 */
export const LOSSES = ["kl", "jsd"] as const;
export type LossKind = (typeof LOSSES)[number];
