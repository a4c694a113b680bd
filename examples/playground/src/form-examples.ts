/** Forms of answers to begin with. */
export interface FormExample {
  readonly label: string;
  readonly text: string;
  readonly schema: object;
}

export const FORM_EXAMPLES: readonly FormExample[] = [
  {
    label: "A person",
    text: "Anna is 34 years old. She lives in Lisbon and plays the violin.",
    schema: {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 40 },
        age: { type: "integer", minimum: 0, maximum: 130 },
        city: { type: "string", maxLength: 40 },
      },
      required: ["name", "age", "city"],
      additionalProperties: false,
    },
  },
  {
    label: "A review",
    text: "The soup was cold, but the waiter was kind and brought another one.",
    schema: {
      type: "object",
      properties: { mood: { enum: ["good", "mixed", "bad"] }, stars: { type: "integer", minimum: 1, maximum: 5 } },
      required: ["mood", "stars"],
      additionalProperties: false,
    },
  },
  {
    label: "A list",
    text: "Name three fruits.",
    schema: { type: "array", items: { type: "string", maxLength: 24 }, minItems: 3, maxItems: 3 },
  },
];
