/**
 * Jinja templates, as transformers renders them: its parser and its scopes, with Python's values, printing
 * and errors. What is not carried out as there is refused, never rendered in another way.
 *
 * A template is a program from a model file. It can reach no object of the host, since its values are
 * classes of this folder; what it can do is run on and grow, and `limits.ts` bounds that.
 */
import { compileTemplate } from "./compile/compile-statement.ts";
import { functions } from "./environment/environment.ts";
import type { Blocks } from "./compile/frame.ts";
import { parseTemplate } from "./syntax/parse-template.ts";
import { Run } from "./run.ts";
import { fromJson } from "./values/values.ts";

export class Template {
  readonly #write: (run: Run) => void;

  /** @throws TemplateSyntaxError for what Jinja does not accept, NotCarriedOut for what it does */
  constructor(source: string) {
    const blocks: Blocks = new Map();
    this.#write = compileTemplate(parseTemplate(source), blocks, false);
  }

  /**
   * @param variables of JSON's types
   * @param now what `strftime_now` takes for the time
   * @throws TemplateError as Python would raise, or NotCarriedOut
   */
  render(variables: Readonly<Record<string, unknown>>, now = () => new Date()): string {
    const run = new Run((made) => {
      const given = new Map(functions(made, now));
      for (const [name, value] of Object.entries(variables)) given.set(name, fromJson(value, made.limits));
      return given;
    });
    this.#write(run);
    return run.out;
  }
}
