/** `file:` URLs and names of files, as far as they can be told apart without a file system. */

/** A URL of this realm or another: test runners bring a `URL` of their own. */
export function isUrl(value: unknown): value is URL {
  if (value instanceof URL) return true;
  const { href, protocol } = (value ?? {}) as Partial<URL>;
  return typeof value === "object" && typeof href === "string" && typeof protocol === "string";
}

/** A `file:` URL, as an object or as text. */
export function isFileUrl(value: unknown): value is string | URL {
  return isUrl(value) ? value.protocol === "file:" : typeof value === "string" && /^file:/i.test(value);
}

/** Files by which the folder they are in is opened: whoever names one of them means the model. */
export function standsForFolder(fileName: string): boolean {
  return /^(config\.json|model\.safetensors(\.index\.json)?|model-\d+-of-\d+\.safetensors)$/.test(fileName);
}
