// The scalar twins: the same exports as `assembly/index.ts`, one plain loop each, over the same packed bytes.
export function placeholder(): i32 {
  return 1;
}
