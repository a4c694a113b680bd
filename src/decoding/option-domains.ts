/** Another name for the checks of `src/need.ts`, for files that still ask for them here. */
import { need } from "../need.ts";

export const onlyKnownOptions = need.onlyKnown;
export const wholeNumber = need.whole;
