/** A report's data in, one self-contained HTML page out: styles, scripts, data and vocabulary are all inside it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { version } from '../version.ts';
import type { ReportData } from './data.ts';
import { sections } from './sections.ts';
import { spark } from './spark.ts';

/** Vocabularies beyond this size (bytes of tokenizer.json) would make the page slow to open: it then has no playground. */
const PLAYGROUND_LIMIT = 12_000_000;

/** The scripts in an order in which each finds what it uses. */
const SCRIPTS = ['dom', 'runs', 'charts', 'samples', 'attention', 'tokenizer', 'main'];

export function reportHtml(data: ReportData): string {
  const { tokenizer, ...rest } = data;
  const file = tokenizer?.file && tokenizer.file.length <= PLAYGROUND_LIMIT ? tokenizer.file : undefined;
  const parts = sections({ ...data, playground: file !== undefined });
  const names: [string, string][] = [
    ['curves', 'Curves'],
    ['samples', 'Samples'],
    ...(data.attention?.length ? [['attention', 'Attention'] as [string, string]] : []),
    ...parts.map(({ id, title }) => [id, title] as [string, string]),
  ];
  const shown = names.filter(
    ([id]) =>
      id !== 'samples' || data.live || data.runs.some(({ events }) => events.some(({ type }) => type === 'sample')),
  );
  const fill: Record<string, string> = {
    version: escapeHtml(version()),
    title: escapeHtml(`${data.title} · Millrace`),
    heading: escapeHtml(data.title),
    description: escapeHtml(data.description ?? ''),
    state: '',
    css: `${readFileSync(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'), 'utf8')}\n${asset('page.css')}`,
    nav: shown.map(([id, title]) => `<a href="#${id}">${title}</a>`).join(''),
    spark: spark(data.runs),
    sections: parts.map(({ html }) => html).join('\n'),
    data: inScript(JSON.stringify({ ...rest, config: undefined })),
    vocabulary: file
      ? `<script type="text/plain" id="vocabulary">${gzipSync(file, { level: 9 }).toString('base64')}</script>`
      : '',
    uplot: readFileSync(createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js'), 'utf8').replaceAll(
      '</script',
      '<\\/script',
    ),
    script: SCRIPTS.map((name) => flatten(asset(`${name}.js`))).join('\n'),
  };
  return asset('page.html').replace(/\{\{(\w+)\}\}/g, (_, name: string) => fill[name] ?? '');
}

/** The page's own files lie in src in a checkout and in an installed package alike. */
function asset(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../src/report/page/${name}`, import.meta.url)), 'utf8');
}

/** Modules of the page become one: imports go, exports become plain declarations. */
function flatten(source: string): string {
  return source.replace(/^import [^;]*;\n/gm, '').replace(/^export /gm, '');
}

/** JSON that can't close the script element it stands in. */
function inScript(json: string): string {
  return json.replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
