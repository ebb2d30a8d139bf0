/**
 * Attention weights in, one self-contained HTML page out: a heat map a head, tokens on both axes. The pictures are there
 * without scripts; with them the weight under the pointer is read out.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../errors.ts';
import { version } from '../version.ts';
import { escapeHtml } from './html.ts';
import { png } from './png.ts';

/** One kind of attention of one text: self-attention, or a decoder's to its source. */
export interface AttentionMap {
  name: string;
  /** Tokens that look: the rows. */
  queries: string[];
  /** Tokens that are looked at: the columns. */
  keys: string[];
  heads: HeadWeights[];
}

export interface HeadWeights {
  /** Both counted from 1. */
  layer: number;
  head: number;
  /** [queries, keys]; each row sums to 1. */
  weights: Float32Array;
}

export interface AttentionPage {
  title: string;
  texts: { title: string; maps: AttentionMap[] }[];
}

/** Beyond so many weights a browser has a hard time. */
const MOST = 8_000_000;
/** Side of a cell and size of the letters beside it, in units of the drawing. */
const [CELL, LETTER] = [14, 11];

/** @throws `input` where there is too much to draw. */
export function attentionHtml({ title, texts }: AttentionPage): string {
  const heads = texts.flatMap(({ maps }) => maps.flatMap((map) => map.heads));
  const cells = heads.reduce((sum, { weights }) => sum + weights.length, 0);
  if (cells > MOST) {
    throw new MillraceError(
      'input',
      `${heads.length} heat maps of ${cells.toLocaleString('en-GB')} weights are too many`,
      {
        hint: 'choose with --layers and --heads, or give a shorter text',
      },
    );
  }
  const fill: Record<string, string> = {
    version: escapeHtml(version()),
    title: escapeHtml(title),
    body: texts.map(section).join('\n'),
  };
  const path = fileURLToPath(new URL('../../src/report/page/attention.html', import.meta.url));
  return readFileSync(path, 'utf8').replace(/\{\{(\w+)\}\}/g, (_, name: string) => fill[name] ?? '');
}

function section({ title, maps }: AttentionPage['texts'][number]): string {
  const parts = maps.flatMap((map) =>
    [...new Set(map.heads.map(({ layer }) => layer))].map((layer) => {
      const heads = map.heads.filter((head) => head.layer === layer);
      const figures = heads.map((head) => figure(map, head)).join('');
      return `<h3>${escapeHtml(map.name)}, layer ${layer}</h3><div class="heads">${figures}</div>`;
    }),
  );
  return `<section><h2>${escapeHtml(title)}</h2>${parts.join('\n')}</section>`;
}

function figure({ queries, keys }: AttentionMap, { layer, head, weights }: HeadWeights): string {
  const longest = (tokens: string[]) => Math.max(1, ...tokens.map((token) => [...token].length));
  // Letters are about 0.62 of their size wide.
  const left = Math.ceil(longest(queries) * LETTER * 0.62) + 8;
  const above = Math.ceil(longest(keys) * LETTER * 0.62) + 8;
  const [width, height] = [keys.length * CELL, queries.length * CELL];
  const text = (token: string, place: string) => `<text ${place}>${escapeHtml(token)}</text>`;
  const rows = queries.map((token, i) => text(token, `class="row" x="${left - 4}" y="${above + (i + 0.72) * CELL}"`));
  const columns = keys.map((token, i) =>
    text(token, `transform="translate(${left + (i + 0.72) * CELL} ${above - 4}) rotate(-90)"`),
  );
  const image = `data:image/png;base64,${heatMap(weights, keys.length).toString('base64')}`;
  const box = `0 0 ${left + width + 1} ${above + height + 1}`;
  const place = `x="${left}" y="${above}" width="${width}" height="${height}"`;
  return `<figure><svg viewBox="${box}" width="${left + width + 1}" role="img" aria-label="${escapeHtml(summary({ queries, keys }, weights))}"><g aria-hidden="true">${rows.join('')}${columns.join('')}</g><image ${place} preserveAspectRatio="none" href="${image}" data-rows="${queries.length}" data-columns="${keys.length}"/><rect ${place}/></svg><figcaption>layer ${layer}, head ${head}</figcaption></figure>`;
}

/** A pixel a weight: the ink's opacity is the root of the weight, so that small ones are seen too. */
export function heatMap(weights: Float32Array, width: number): Buffer {
  const rgba = new Uint8Array(4 * weights.length);
  weights.forEach((weight, i) => {
    rgba.set([11, 110, 117, Math.round(255 * Math.sqrt(Math.min(1, Math.max(0, weight))))], 4 * i);
  });
  return png({ width, height: weights.length / width, rgba });
}

/** For those who don't see it: where each of the first tokens looks most. */
function summary({ queries, keys }: Pick<AttentionMap, 'queries' | 'keys'>, weights: Float32Array): string {
  const strongest = queries.slice(0, 12).map((query, i) => {
    const row = weights.subarray(i * keys.length, (i + 1) * keys.length);
    const best = row.reduce((top, weight, k) => (weight > row[top]! ? k : top), 0);
    return `${query} to ${keys[best]} (${Math.round(100 * (row[best] ?? 0))} %)`;
  });
  return `Heat map. Each token looks most: ${strongest.join(', ')}`;
}
