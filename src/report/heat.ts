/** Attention weights of one text in, a picture out (SVG): a square a head, tokens beside it, darker for more. */
import type { AttentionText } from './data.ts';
import { escapeHtml } from './html.ts';

type Map = AttentionText['maps'][number];

/** Side of a cell, a letter's width and the gap between heads, in the picture's units. */
const [CELL, LETTER, GAP] = [15, 6.4, 26];
/** Weights are drawn in so many steps; those of the first are left white. */
const STEPS = 20;
const COLUMNS = 4;

export function heatSvg({ title, maps }: AttentionText): string {
  let top = 34;
  let width = 0;
  const parts: string[] = [];
  for (const map of maps) {
    const room = { left: wide(map.queries), top: wide(map.keys) };
    const box = {
      width: room.left + map.keys.length * CELL + GAP,
      height: room.top + map.queries.length * CELL + GAP,
    };
    parts.push(text({ x: 8, y: top, words: map.name, bold: true }));
    for (const [i, head] of map.heads.entries()) {
      const [x, y] = [8 + (i % COLUMNS) * box.width, top + 12 + Math.floor(i / COLUMNS) * box.height];
      parts.push(square(map, head, { x: x + room.left, y: y + room.top }));
      width = Math.max(width, x + box.width);
    }
    top += 24 + Math.ceil(map.heads.length / COLUMNS) * box.height;
  }
  const label = `Attention weights of: ${escapeHtml(title)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" role="img" aria-label="${label}" font-family="ui-sans-serif, system-ui, sans-serif" fill="#1b1d21"><rect width="${width}" height="${top}" fill="#fff"/>${text({ x: 8, y: 16, words: title })}${parts.join('')}</svg>\n`;
}

const wide = (tokens: string[]) => Math.round(8 + LETTER * Math.max(...tokens.map((token) => [...token].length)));

function square({ queries, keys }: Map, { layer, head, weights }: Map['heads'][number], at: { x: number; y: number }) {
  const { x: left, y: top } = at;
  const levels = Array.from({ length: STEPS + 1 }, (): string[] => []);
  weights.forEach((weight, i) => {
    const [q, k] = [Math.floor(i / keys.length), i % keys.length];
    levels[Math.round(Math.sqrt(weight) * STEPS)]!.push(`M${k} ${q}h1v1h-1z`);
  });
  const cells = levels.map((cells, level) =>
    level === 0 || cells.length === 0 ? '' : `<path d="${cells.join('')}" opacity="${(level / STEPS).toFixed(2)}"/>`,
  );
  const rows = queries.map((token, q) => text({ x: left - 4, y: top + (q + 0.75) * CELL, words: token, end: true }));
  const columns = keys.map((token, k) => text({ x: left + (k + 0.7) * CELL, y: top - 4, words: token, turn: true }));
  const [w, h] = [keys.length * CELL, queries.length * CELL];
  const frame = `<rect x="${left}" y="${top}" width="${w}" height="${h}" fill="none" stroke="#c9c5ba"/>`;
  const name = text({ x: left, y: top + h + 13, words: `layer ${layer}, head ${head}` });
  return `<g transform="translate(${left} ${top}) scale(${CELL})" fill="#0b6e75">${cells.join('')}</g>${frame}${rows.join('')}${columns.join('')}${name}`;
}

function text(of: { x: number; y: number; words: string; bold?: boolean; end?: boolean; turn?: boolean }): string {
  const { x, y, words, bold, end, turn } = of;
  const place = `x="${x.toFixed(0)}" y="${y.toFixed(0)}"`;
  const style = `${bold ? ' font-weight="600"' : ''}${end ? ' text-anchor="end"' : ''}`;
  const rotate = turn ? ` transform="rotate(-60 ${x.toFixed(0)} ${y.toFixed(0)})"` : '';
  return `<text ${place} font-size="11"${style}${rotate}>${escapeHtml(words)}</text>`;
}
