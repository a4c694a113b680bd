/**
 * Fields that say what an answer must look like: OpenAI's `response_format`, and llama.cpp's `grammar` and
 * `json_schema`.
 */
import * as z from "zod";

const schema = z.record(z.string(), z.unknown());

export const formFields = {
  response_format: z
    .discriminatedUnion("type", [
      z.looseObject({ type: z.literal("text") }),
      // llama.cpp takes a schema here too.
      z.looseObject({ type: z.literal("json_object"), schema: schema.nullish() }),
      z.looseObject({ type: z.literal("json_schema"), json_schema: z.looseObject({ schema }) }),
    ])
    .nullish(),
  grammar: z.string().nullish(),
  json_schema: schema.nullish(),
};

export type FormFields = z.output<z.ZodObject<typeof formFields>> & { readonly ignore_eos?: boolean | null | undefined };
