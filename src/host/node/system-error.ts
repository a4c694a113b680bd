/** What the system says of a call that failed. */

/** "ENOENT", "EACCES", ...; undefined if it is no error of the system. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
