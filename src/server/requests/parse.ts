/** Bodies of requests, checked by their schemas; whatever is wrong is an error that names the field. */
import type { Context } from "hono";
import type * as z from "zod";
import { ApiError } from "../api-error.ts";

/** @throws ApiError 400 for a body that is no JSON, or naming the first field that is wrong */
export async function parseBody<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<z.output<Schema>> {
  let body: unknown;
  try {
    body = await c.req.json();
  } catch (error) {
    if (error instanceof ApiError) throw error; // a body over the limit
    throw new ApiError(400, "body: got no JSON, need a JSON object");
  }
  return parseFields(body, schema);
}

/**
 * @param names what its fields were called in the request, where that is something else
 * @throws ApiError 400 naming the first field that is wrong
 */
export function parseFields<Schema extends z.ZodType>(
  body: unknown,
  schema: Schema,
  names: Readonly<Record<string, string>> = {},
): z.output<Schema> {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const { path, message } = deepest(error.issues[0]!);
  if (path.length === 0) throw new ApiError(400, `body: ${message}`);
  const [field, ...rest] = path.map(String) as [string, ...string[]];
  const param = [names[field] ?? field, ...rest].join(".");
  throw new ApiError(400, `${param}: ${message}`, { param });
}

/** The form that came nearest says what is wrong with a field that may have several. */
function deepest(issue: z.core.$ZodIssue): { path: readonly PropertyKey[]; message: string } {
  if (issue.code !== "invalid_union") return issue;
  const inner = issue.errors.flatMap((issues) => issues.map(deepest));
  const nearest = inner.reduce((a, b) => (b.path.length > a.path.length ? b : a), {
    path: [] as readonly PropertyKey[],
    message: "",
  });
  return nearest.path.length === 0 ? issue : { path: [...issue.path, ...nearest.path], message: nearest.message };
}
