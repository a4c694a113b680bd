/** Put into the page when it is built (`site.ts`): the model that comes with it. */
declare const EMBEDDED_MODEL_FACTS: { readonly name: string; readonly bytes: number } | undefined;
