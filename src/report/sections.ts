/** The parts of a report that don't change while it is open: final samples, comparison, tokenizer, dataset, configuration. */
import type { DatasetData, ReportData, TokenizerData } from './data.ts';
import { escapeHtml } from './html.ts';
import { scoreCards } from './scores.ts';

interface Section {
  id: string;
  title: string;
  html: string;
}

export function sections(data: ReportData & { playground: boolean }): Section[] {
  const all: (Section | undefined)[] = [
    data.comparison && comparison(data.comparison),
    data.runs.some(({ scores }) => scores) ? section('scores', 'Scores', SCORES, scoreCards(data.runs)) : undefined,
    data.samples && data.samples.length > 0 ? finals(data.samples) : undefined,
    data.tokenizer && tokenizer(data.tokenizer),
    data.playground ? playground() : undefined,
    data.dataset && dataset(data.dataset),
    data.config || data.provenance ? configuration(data) : undefined,
  ];
  return all.filter((section) => section !== undefined);
}

const SCORES = 'Of the fine-tuned models, on examples that they did not learn from.';

function section(id: string, title: string, lead: string, body: string): Section {
  const html = `<section id="${id}" aria-labelledby="${id}-h"><div class="head"><h2 id="${id}-h">${title}</h2><p>${escapeHtml(lead)}</p></div>${body}</section>`;
  return { id, title, html };
}

function comparison({ head, rows }: { head: string[]; rows: (string | number)[][] }): Section {
  const cells = (row: (string | number)[]) =>
    row
      .map((cell) => `<td${typeof cell === 'number' ? ' class="number"' : ''}>${escapeHtml(figure(cell))}</td>`)
      .join('');
  const body = `<div class="card scroll" tabindex="0" role="region" aria-label="Comparison"><table><thead><tr>${head.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</tbody></table></div>`;
  return section('comparison', 'Comparison', 'The points of the sweep.', body);
}

function finals(samples: { prompt: string; text: string }[]): Section {
  const cards = samples.map(
    ({ prompt, text }) =>
      `<div class="card"><p class="sample"><b>${escapeHtml(prompt)}</b>${escapeHtml(text)}</p></div>`,
  );
  return section(
    'final-samples',
    'Final samples',
    'Written by the trained model; prompts in colour.',
    `<div class="grid">${cards.join('')}</div>`,
  );
}

function tokenizer({ figures, lengths, longest }: TokenizerData): Section {
  const most = Math.max(...lengths, 1);
  const bars = lengths
    .map((n, length) => ({ n, length }))
    .filter(({ n, length }) => length > 0 && n > 0)
    .map(({ n, length }) => bar(`${length} byte${length === 1 ? '' : 's'}`, n, most));
  const words = longest.map((token) => `<li><span>${escapeHtml(token.replaceAll(' ', '·'))}</span></li>`).join('');
  const body = `<div class="grid"><div class="card">${table(figures)}</div><div class="card"><h3>Tokens by length</h3><div class="bars">${bars.join('')}</div></div><div class="card wide"><h3>Longest tokens</h3><ul class="tokens">${words}</ul></div></div>`;
  return section('tokenizer', 'Tokenizer', 'The vocabulary that text was cut by.', body);
}

function playground(): Section {
  const text = 'Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.';
  const body = `<div class="card"><label class="hidden" for="text">Text to cut into tokens</label><textarea id="text" spellcheck="false">${text}</textarea><p class="soft"><output id="count" for="text"></output></p><ul class="tokens" id="tokens" aria-label="Tokens"></ul></div>`;
  return section('playground', 'Playground', 'Type, and see the tokens and their ids. It runs in this page.', body);
}

function dataset({ figures, splits, rows }: DatasetData): Section {
  const head =
    '<thead><tr><th>split</th><th class="number">rows</th><th class="number">tokens</th><th class="number">documents</th></tr></thead>';
  const lines = splits.map(
    ({ name, rows: n, tokens, documents }) =>
      `<tr><td>${escapeHtml(name)}</td><td class="number">${figure(n)}</td><td class="number">${figure(tokens)}</td><td class="number">${figure(documents ?? '–')}</td></tr>`,
  );
  const shown = rows?.length
    ? `<div class="card wide"><h3>Rows, decoded</h3>${rows.map((row) => `<p class="mono">${escapeHtml(row)}</p>`).join('')}</div>`
    : '';
  const body = `<div class="grid"><div class="card">${table(figures)}</div><div class="card"><table>${head}<tbody>${lines.join('')}</tbody></table></div>${shown}</div>`;
  return section('dataset', 'Dataset', 'The rows that the model was trained on.', body);
}

function configuration({ config, provenance }: ReportData): Section {
  const file = config
    ? `<div class="card wide"><h3>${escapeHtml(config.path)}</h3><pre class="config" tabindex="0" role="region" aria-label="Configuration file">${escapeHtml(config.text)}</pre></div>`
    : '';
  const facts = provenance ? `<div class="card wide">${table(provenance)}</div>` : '';
  return section(
    'configuration',
    'Configuration',
    'What it takes to make this again.',
    `<div class="grid">${facts}${file}</div>`,
  );
}

export function table(rows: [string, number | string][]): string {
  return `<table><tbody>${rows.map(([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td${typeof value === 'number' ? ' class="number"' : ''}>${escapeHtml(figure(value))}</td></tr>`).join('')}</tbody></table>`;
}

const bar = (name: string, value: number, most: number) =>
  `<div><span>${escapeHtml(name)}</span><i style="width: ${((100 * value) / most).toFixed(2)}%"></i><span>${figure(value)}</span></div>`;

export function figure(value: number | string): string {
  if (typeof value === 'string') return value;
  return Number.isInteger(value)
    ? value.toLocaleString('en-GB')
    : value.toLocaleString('en-GB', { maximumSignificantDigits: 5 });
}
