/** What every bundle has to compute. */
export async function logitsOf(model) {
  const logits = await model.logits([5, 4, 3, 2, 1, 0]);
  const { threads, build } = model.forwardPass;
  await model.dispose();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", logits));
  return { threads, build, hash: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") };
}
