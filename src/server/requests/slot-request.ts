/** What is asked of `/slots`. */
import * as z from "zod";

/** Names of devices on Windows, with any ending. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Never a path, and never hidden. */
const fileName = z
  .string()
  .regex(/^\w[\w.-]{0,127}$/, "need up to 128 letters, digits, _, - and ., the first none of the last two")
  .refine((name) => !name.endsWith(".") && !DEVICE.test(name), "need a name that is a file's everywhere");

export const slotSchema = z.object({ filename: fileName });
export const slotActionSchema = z.object({
  id: z.string().regex(/^\d{1,4}$/, "need the number of a slot"),
  action: z.enum(["save", "restore", "erase"]),
});
