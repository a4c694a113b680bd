/** Values of `format` that strings are held to, as patterns: part of what standards allow, and no more. */

const DAYS =
  "(?:(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29|" +
  "\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8])))";
const HOURS = "(?:[01]\\d|2[0-3])";
const TIME = `${HOURS}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-]${HOURS}:[0-5]\\d)`;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?";
const BYTE = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const GROUP = "[0-9A-Fa-f]{1,4}";
const ATOM = "[A-Za-z0-9_+-]{1,30}";

/** By name. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: `^${DAYS}$`,
  time: `^${TIME}$`,
  "date-time": `^${DAYS}T${TIME}$`,
  duration:
    "^P(?:\\d{1,6}W|\\d{1,6}D(?:T\\d{1,4}H(?:\\d{1,4}M(?:\\d{1,4}S)?)?)?|T\\d{1,6}[HMS]|\\d{1,4}Y(?:\\d{1,4}M(?:\\d{1,4}D)?)?)$",
  email: `^${ATOM}(?:\\.${ATOM}){0,4}@(?:${LABEL}\\.){1,4}[A-Za-z]{2,20}$`,
  hostname: `^${LABEL}(?:\\.${LABEL}){0,6}$`,
  ipv4: `^${BYTE}(?:\\.${BYTE}){3}$`,
  ipv6: `^(?:(?:${GROUP}:){7}${GROUP}|(?:${GROUP}:){1,6}:${GROUP}|::(?:${GROUP}:){0,5}${GROUP}|::)$`,
  uuid: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$",
  uri: `^[a-z][a-z0-9+-]{0,20}://(?:${LABEL}\\.){0,6}${LABEL}(?::\\d{1,4})?(?:/[A-Za-z0-9._~-]{1,60}){0,20}/?(?:\\?[A-Za-z0-9._~=&-]{1,200})?$`,
};
