/** The page's icon as PNG, for places that take no SVG: four squares on a ground, drawn pixel by pixel. */
import { crc32, deflateSync } from "node:zlib";

type Color = readonly [red: number, green: number, blue: number];

/** Those of `src/icon.svg`. */
const GROUND: Color = [0x1f, 0x6f, 0x78];
const BRIGHT: Color = [0xff, 0xff, 0xff];
/** White at 40 % over the ground. */
const DIM: Color = GROUND.map((channel) => Math.round(channel + (255 - channel) * 0.4)) as unknown as Color;
/** Left and top edges and width of the squares, in 32nds of the icon. */
const EDGES = [8, 17] as const;
const WIDTH = 7;

/** @returns a PNG of size x size pixels, its ground from edge to edge so that it can be cut to any shape */
export function iconPng(size: number): Uint8Array {
  const rows = Buffer.alloc(size * (1 + size * 3));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) rows.set(colorAt((x * 32) / size, (y * 32) / size), y * (1 + size * 3) + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  // Eight bits, red, green and blue.
  header.set([8, 2], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function colorAt(x: number, y: number): Color {
  const column = EDGES.findIndex((edge) => x >= edge && x < edge + WIDTH);
  const row = EDGES.findIndex((edge) => y >= edge && y < edge + WIDTH);
  if (column < 0 || row < 0) return GROUND;
  return column === row ? BRIGHT : DIM;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
