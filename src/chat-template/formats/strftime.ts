/**
 * `strftime_now`: Python's `datetime.now().strftime(format)` on Linux in the C locale. The time is the host's
 * own and names no zone, so %z and %Z are empty, as in Python.
 *
 * Directives, flags and widths are those of https://man7.org/linux/man-pages/man3/strftime.3.html.
 */
import { NotCarriedOut, TemplateError } from "../limits.ts";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January", "February", "March", "April", "May", "June", "July",
  "August", "September", "October", "November", "December",
]; // prettier-ignore
const DAY = 86_400_000;

/** A number, how wide it is, and what fills it; or a text. */
type Field = string | readonly [value: number, width: number, fill?: " "];

const DIRECTIVE = /%([-_0^#]*)(\d*)([EO]?)([^]?)/g;

export function strftime(date: Date, format: string): string {
  if (format.length > 4096)
    throw new TemplateError(`strftime_now: got a format of ${format.length} characters, need at most 4096`);
  return format.replaceAll(DIRECTIVE, (whole: string, flags: string, width: string, modifier: string, letter: string) => {
    const plain = flags === "" && width === "" && modifier === "";
    // Python itself replaces these, before the C library sees the format.
    if (plain && letter === "f") return String(date.getMilliseconds() * 1000).padStart(6, "0");
    if (plain && (letter === "z" || letter === "Z")) return "";
    const make = "fzZ".includes(letter) || modifier !== "" ? undefined : DIRECTIVES[letter];
    if (make === undefined || Number(width) > 100) throw new NotCarriedOut(`strftime_now: the directive ${whole}`);
    return shaped(make(date), flags, width === "" ? undefined : Number(width), letter);
  });
}

function shaped(field: Field, flags: string, width: number | undefined, letter: string): string {
  const padding = /.*([-_0])/.exec(flags)?.[1];
  if (typeof field === "string") {
    let text = field;
    if (flags.includes("#")) text = letter === "p" || letter === "Z" ? text.toLowerCase() : flips(letter, text);
    else if (flags.includes("^")) text = text.toUpperCase();
    // %P is %p in lower case whatever is asked for, as the C library has it.
    if (letter === "P") text = field;
    return text.padStart(width ?? 0, padding === "0" ? "0" : " ");
  }
  const [value, digits, fill = "0"] = field;
  // With - a number has no digits to fill up, and a width beyond them is filled with spaces.
  if (padding === "-") return String(value).padStart(width ?? 0);
  return String(value).padStart(Math.max(digits, width ?? 0), padding === "_" ? " " : padding === "0" ? "0" : fill);
}

/** The flag #: names of days and months go to upper case. */
function flips(letter: string, text: string): string {
  return "aAbBh".includes(letter) ? text.toUpperCase() : text;
}

const two = (value: number): string => String(value).padStart(2, "0");
const hour12 = (date: Date): number => date.getHours() % 12 || 12;
const clock = (date: Date): string => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
const slashes = (date: Date): string => `${two(date.getMonth() + 1)}/${two(date.getDate())}/${two(date.getFullYear() % 100)}`;
const noon = (date: Date): string => (date.getHours() < 12 ? "AM" : "PM");

const DIRECTIVES: Readonly<Record<string, (date: Date) => Field>> = Object.assign(
  Object.create(null) as Record<string, (date: Date) => Field>,
  {
    a: (date: Date) => DAYS[date.getDay()]!.slice(0, 3),
    A: (date: Date) => DAYS[date.getDay()]!,
    b: (date: Date) => MONTHS[date.getMonth()]!.slice(0, 3),
    h: (date: Date) => MONTHS[date.getMonth()]!.slice(0, 3),
    B: (date: Date) => MONTHS[date.getMonth()]!,
    c: (date: Date) =>
      `${DAYS[date.getDay()]!.slice(0, 3)} ${MONTHS[date.getMonth()]!.slice(0, 3)} ${String(date.getDate()).padStart(2)} ${clock(date)} ${date.getFullYear()}`,
    C: (date: Date): Field => [Math.floor(date.getFullYear() / 100), 2],
    d: (date: Date): Field => [date.getDate(), 2],
    e: (date: Date): Field => [date.getDate(), 2, " "],
    D: slashes,
    x: slashes,
    F: (date: Date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    g: (date: Date): Field => [isoWeek(date).year % 100, 2],
    G: (date: Date): Field => [isoWeek(date).year, 1],
    H: (date: Date): Field => [date.getHours(), 2],
    k: (date: Date): Field => [date.getHours(), 2, " "],
    I: (date: Date): Field => [hour12(date), 2],
    l: (date: Date): Field => [hour12(date), 2, " "],
    j: (date: Date): Field => [dayOfYear(date) + 1, 3],
    m: (date: Date): Field => [date.getMonth() + 1, 2],
    M: (date: Date): Field => [date.getMinutes(), 2],
    n: () => "\n",
    p: noon,
    P: (date: Date) => noon(date).toLowerCase(),
    r: (date: Date) => `${two(hour12(date))}:${two(date.getMinutes())}:${two(date.getSeconds())} ${noon(date)}`,
    R: (date: Date) => `${two(date.getHours())}:${two(date.getMinutes())}`,
    s: (date: Date): Field => [Math.floor(date.getTime() / 1000), 1, " "],
    S: (date: Date): Field => [date.getSeconds(), 2],
    t: () => "\t",
    T: clock,
    X: clock,
    u: (date: Date): Field => [date.getDay() || 7, 1],
    U: (date: Date): Field => [Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7), 2],
    V: (date: Date): Field => [isoWeek(date).week, 2],
    w: (date: Date): Field => [date.getDay(), 1],
    W: (date: Date): Field => [Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7), 2],
    y: (date: Date): Field => [date.getFullYear() % 100, 2],
    Y: (date: Date): Field => [date.getFullYear(), 1],
    "%": () => "%",
  },
);

/** Days since the first of January, without the hours a summer adds or takes. */
function dayOfYear(date: Date): number {
  return (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) / DAY;
}

/** The week of ISO 8601: that of the year which has its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}
