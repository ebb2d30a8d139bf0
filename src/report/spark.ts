/** Loss events in, a plain SVG curve out: what readers without scripts see, and what a README can show. */
import type { RunData } from './data.ts';

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [720, 240, 48, 28];
const COLORS = ['#0b6e75', '#c2570c', '#5b4fc4', '#b0246a', '#4d7c0f'];

export function spark(runs: RunData[]): string {
  const lines = runs.map(({ events }) => points(events, 'step'));
  const dots = runs.map(({ events }) => points(events, 'validation'));
  const all = [...lines, ...dots].flat();
  if (all.length < 2) return '';
  const [maxX, minY, maxY] = [
    Math.max(...all.map(([x]) => x)),
    Math.min(...all.map(([, y]) => y)),
    Math.max(...all.map(([, y]) => y)),
  ];
  const x = (step: number) => LEFT + ((WIDTH - LEFT - 8) * step) / (maxX || 1);
  const y = (loss: number) => 8 + (HEIGHT - BOTTOM - 8) * (1 - (loss - minY) / (maxY - minY || 1));
  const at = ([step, loss]: [number, number]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`;
  const text = (px: number, py: number, words: string, anchor: string) =>
    `<text x="${px}" y="${py}" text-anchor="${anchor}" font-size="12" fill="#6b7280" font-family="system-ui, sans-serif">${words}</text>`;
  const body = [
    ...lines.map(
      (line, i) =>
        `<polyline points="${line.map(at).join(' ')}" fill="none" stroke="${COLORS[i % 5]}" stroke-width="1.5" stroke-linejoin="round"/>`,
    ),
    ...dots.flatMap((line, i) =>
      line.map((p) => `<circle cx="${x(p[0]).toFixed(1)}" cy="${y(p[1]).toFixed(1)}" r="3" fill="${COLORS[i % 5]}"/>`),
    ),
    `<path d="M${LEFT},8V${HEIGHT - BOTTOM}H${WIDTH - 8}" fill="none" stroke="#9ca3af"/>`,
    text(LEFT - 6, 16, maxY.toFixed(2), 'end'),
    text(LEFT - 6, HEIGHT - BOTTOM, minY.toFixed(2), 'end'),
    text(LEFT, HEIGHT - 8, 'step 0', 'start'),
    text(WIDTH - 8, HEIGHT - 8, `step ${maxX}`, 'end'),
    ...(runs.length < 2 ? [] : runs.map(({ name }, i) => legend(name, i))),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Loss by step: from ${maxY.toFixed(2)} to ${minY.toFixed(2)}">${body.join('')}</svg>`;
}

function legend(name: string, i: number): string {
  const y = 20 + 18 * i;
  const words = name.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<path d="M${WIDTH - 200},${y - 4}h22" stroke="${COLORS[i % 5]}" stroke-width="3"/><text x="${WIDTH - 170}" y="${y}" font-size="12" fill="#6b7280" font-family="system-ui, sans-serif">${words}</text>`;
}

/** At most 400, evenly chosen. */
function points(events: RunData['events'], type: string): [number, number][] {
  const all = events.flatMap((e): [number, number][] =>
    e.type === type && typeof e.step === 'number' && typeof e.loss === 'number' ? [[e.step, e.loss]] : [],
  );
  const every = Math.max(1, Math.ceil(all.length / 400));
  return all.filter((_, i) => i % every === 0 || i === all.length - 1);
}
