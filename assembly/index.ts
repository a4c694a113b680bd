// The kernel ABI: exports only, in the order data flows. `src/kernels/kernel-exports.ts` gives their TypeScript types.
export function placeholder(): i32 {
  return 1;
}
