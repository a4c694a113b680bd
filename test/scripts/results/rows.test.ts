/** The rows of docs/results.md are recipes that exist, and the commands beside them make the same recipes. */
import { Command } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quantizeCommand, recipeWords } from "../../../scripts/results/command.ts";
import { FLOAT_ROW, ROWS, SECTIONS } from "../../../scripts/results/rows.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { addRecipeOptions, type RecipeFlags, recipeOptions } from "../../../src/cli/options/recipe-flags.ts";
import { resolveRecipe } from "../../../src/quantizer/recipe/resolve-recipe.ts";
import { RECIPE_NAMES } from "../../../src/quantizer/recipe/recipe-presets.ts";

const test = suite("rows of the results");

const quantized = ROWS.filter(({ recipe }) => recipe !== undefined && (RECIPE_NAMES as readonly string[]).includes(recipe));

for (const row of quantized) {
  test(`${row.id}: its options make a recipe, and so does its command`, () => {
    const recipe = resolveRecipe(row.recipe, row.options);
    const command = addRecipeOptions(new Command()).exitOverride();
    command.parse(recipeWords(row), { from: "user" });
    const flags = command.opts<RecipeFlags>();
    assert.equal(resolveRecipe(flags.recipe, recipeOptions(flags)), recipe);
  });
}

test("every preset has a row without changes", () => {
  const plain = quantized.filter(({ options, calibration }) => !options && !calibration).map(({ recipe }) => recipe);
  assert.equal([...new Set(plain)].toSorted(), RECIPE_NAMES.toSorted());
});

test("no two rows share an id or measure the same", () => {
  assert.is(new Set(ROWS.map(({ id }) => id)).size, ROWS.length);
  const made = quantized.map(({ recipe, options, calibration }) =>
    JSON.stringify([resolveRecipe(recipe, options), calibration ?? "text"]),
  );
  // Presets keep their name in the recipe, so that the same choices under two names are two rows.
  assert.is(new Set(made).size, quantized.length);
});

test("sections show rows that exist, and every row is shown, there, by part or among the test sets", () => {
  const ownSection = ROWS.filter(({ evaluate }) => evaluate.includes("parts") || evaluate.includes("testSet"));
  const shown = [...SECTIONS.flatMap(({ rows }) => rows), ...ownSection.map(({ id }) => id)];
  assert.equal([...new Set(shown)].toSorted(), ROWS.map(({ id }) => id).toSorted());
  for (const { title, rows } of SECTIONS) assert.is(new Set(rows).size, rows.length, title);
});

test("a command names files without folders, and quotes patterns for a shell", () => {
  const row = ROWS.find(({ id }) => id === "smoothquant-w4a8-fg")!;
  const settings = { ...DEFAULT_SETTINGS, model: "some/where/m.gguf", calibration: "else/where/c.txt" };
  assert.is(
    quantizeCommand(row, settings),
    "fptq quantize m.gguf -o OUT --recipe smoothquant --weights int4 --policy static --override '*.down=dynamic' " +
      "--calibration c.txt --samples 32 -c 512",
  );
  assert.is(
    quantizeCommand(
      ROWS.find(({ id }) => id === FLOAT_ROW)!,
      settings,
    ),
    undefined,
  );
  assert.match(
    quantizeCommand(
      ROWS.find(({ id }) => id === "fptq-random")!,
      settings,
    )!,
    / --seed 0 /,
  );
});

test.run();
