/** Scores of fine-tuned models in, a card for each out: figures, classes, and the confusion matrix. */
import type { RunData } from './data.ts';
import { escapeHtml } from './html.ts';
import { figure, table } from './sections.ts';

interface Classified {
  confusion?: number[][];
  classes?: { label: string; precision: number; recall: number; f1: number; support: number }[];
}

export function scoreCards(runs: RunData[]): string {
  return `<div class="grid">${runs.map(card).join('')}</div>`;
}

function card({ name, scores }: RunData): string {
  if (!scores) return '';
  const numbers = Object.entries(scores).filter((pair): pair is [string, number] => typeof pair[1] === 'number');
  const { confusion, classes } = scores as Classified;
  const figures = table(numbers.map(([key, value]) => [words(key), value]));
  const matrix = confusion && classes ? confused(confusion, classes) : '';
  return `<div class="card"><h3>${escapeHtml(name)}</h3>${figures}${matrix}</div>`;
}

/** Rows are what is right, columns what was given. */
function confused(confusion: number[][], classes: NonNullable<Classified['classes']>): string {
  const names = classes.map(({ label }) => escapeHtml(label));
  const most = Math.max(1, ...confusion.flat());
  const head = `<tr><th scope="col">right \\ given</th>${names.map((name) => `<th class="number" scope="col">${name}</th>`).join('')}<th class="number" scope="col">F1</th></tr>`;
  const rows = confusion.map((row, i) => {
    const cells = row.map((n) => `<td class="number heat" style="--heat: ${(n / most).toFixed(2)}">${figure(n)}</td>`);
    return `<tr><th scope="row">${names[i]}</th>${cells.join('')}<td class="number">${figure(classes[i]!.f1)}</td></tr>`;
  });
  return `<h3>Confusion</h3><div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table><thead>${head}</thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const words = (key: string) => key.replace(/([A-Z0-9]+)/g, (part) => ` ${part.toLowerCase()}`).trim();
