// How the demo looks in a terminal and without one, and its book of what has happened.

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const width = Math.min(process.stdout.columns ?? 100, 110);

const paint = (code) => (text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint('1');
export const dim = paint('2');
const [red, green, yellow, blue] = ['31', '32', '33', '34'].map(paint);

/** Text that fits into the rest of a line. */
export const shorten = (text, room = width - 24) =>
  text.length > room ? `${text.slice(0, room - 1)}…` : text;

const speaker = (name, style) => (text) => console.log(`  ${style(name.padEnd(7))} ${text}`);
export const client = speaker('client', green);
export const proxy = speaker('proxy', yellow);
export const server = speaker('server', blue);
export const attacker = speaker('attack', red);

let headings = 0;
export function heading(title, look) {
  headings += 1;
  console.log(`\n${bold(`${headings}. ${title}`)}\n   ${dim(`Look at: ${look}`)}`);
}

let passed = 0;
let failed = 0;

/** Books whether a claim of the demo holds. */
export function check(claim, holds) {
  if (holds) passed += 1;
  else failed += 1;
  console.log(`${' '.repeat(10)}${holds ? green(`✓ ${claim}`) : red(`✗ ${claim}`)}`);
}

/** Prints the count of all claims and sets the exit status by it. */
export function close() {
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
}
