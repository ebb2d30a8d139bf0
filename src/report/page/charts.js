/** Events of runs in, line charts that share one cursor out. Drawn by uPlot, read by mouse, touch and keyboard. */
import { duration, el, number, seriesColor, short, themed } from './dom.js';

/** What is drawn: a figure of each step event (and of validation events) by name. */
export const METRICS = [
  {
    id: 'loss',
    title: 'Loss',
    unit: 'nats a token',
    wide: true,
    log: true,
    pick: (e) => e.loss,
    validation: (e) => e.loss,
  },
  { id: 'lr', title: 'Learning rate', unit: '', pick: (e) => e.lr },
  { id: 'gradNorm', title: 'Gradient norm', unit: 'before clipping', pick: (e) => e.gradNorm },
  { id: 'tokensPerSecond', title: 'Throughput', unit: 'tokens a second', pick: (e) => e.tokensPerSecond },
  { id: 'memory', title: 'Memory', unit: 'MB resident', pick: (e) => e.rssMb ?? e.memoryMb },
];

const X = {
  step: { title: 'step', of: (e) => e.step },
  tokens: { title: 'tokens', of: (e) => e.tokensSeen },
  time: { title: 'time', of: (e) => e.seconds },
};

/** Exponential moving average with the bias of its start taken out (Adam's correction). */
export function smooth(values, weight) {
  let mean = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === undefined || value === null) return value;
    mean = weight * mean + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return mean / norm;
  });
}

/** At most `limit` points: of each stretch the least and the greatest, so that no spike gets lost. */
export function thin(xs, ys, limit = 1500) {
  if (xs.length <= limit) return [xs, ys];
  const stretch = Math.ceil((2 * xs.length) / limit);
  const [outX, outY] = [[], []];
  for (let start = 0; start < xs.length; start += stretch) {
    let [low, high] = [start, start];
    for (let i = start; i < Math.min(start + stretch, xs.length); i++) {
      if (ys[i] < ys[low]) low = i;
      if (ys[i] > ys[high]) high = i;
    }
    for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      outX.push(xs[i]);
      outY.push(ys[i]);
    }
  }
  return [outX, outY];
}

export class Charts {
  constructor(root, runs) {
    this.root = root;
    this.runs = runs;
    this.view = { x: 'step', smoothing: 0.6, log: false };
    this.charts = new Map();
    new ResizeObserver(() => this.resize()).observe(root);
  }

  /** Draws anew: after a change of view, theme or set of runs. */
  rebuild() {
    for (const { plot } of this.charts.values()) plot.destroy();
    this.charts.clear();
    this.root.replaceChildren();
    for (const metric of METRICS) {
      const series = this.series(metric);
      if (series.length > 0) this.add(metric, series);
    }
  }

  /** New points into the charts that are there. */
  update() {
    const wanted = METRICS.filter((metric) => this.series(metric).length > 0);
    if (wanted.some(({ id }) => !this.charts.has(id))) return this.rebuild();
    for (const metric of wanted) {
      const chart = this.charts.get(metric.id);
      const series = this.series(metric);
      if (series.length !== chart.series.length) return this.rebuild();
      chart.series = series;
      chart.plot.setData(join(series));
      this.describe(chart);
    }
  }

  /** One list of points a line: the raw values of a run faint, its mean strong, validation as dots. */
  series(metric) {
    const x = X[this.view.x].of;
    const all = [];
    this.runs.forEach((run, color) => {
      const pairs = (events, pick) => {
        const points = events.map((e) => [x(e), pick(e)]).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b));
        return [points.map(([a]) => a), points.map(([, b]) => b)];
      };
      const [xs, ys] = pairs(run.steps, metric.pick);
      const name = this.runs.length > 1 ? run.name : '';
      const smoothing =
        metric.id === 'loss' || metric.id === 'gradNorm' || metric.id === 'tokensPerSecond' ? this.view.smoothing : 0;
      if (xs.length > 0) {
        if (smoothing > 0) all.push({ kind: 'raw', run, color, data: thin(xs, ys) });
        const label = metric.validation ? `${name} training`.trim() : name || metric.title.toLowerCase();
        all.push({
          kind: 'line',
          run,
          color,
          label,
          last: ys.at(-1),
          data: thin(xs, smoothing > 0 ? smooth(ys, smoothing) : ys),
        });
      }
      if (!metric.validation) return;
      const [vx, vy] = pairs(run.validations, metric.validation);
      if (vx.length > 0)
        all.push({ kind: 'dots', run, color, label: `${name} validation`.trim(), last: vy.at(-1), data: [vx, vy] });
    });
    return all;
  }

  add(metric, series) {
    const values = el('ul', { class: 'values' });
    const readout = el('p', { class: 'hidden', 'aria-live': 'polite' });
    const plotRoot = el('div', { class: 'plot', tabindex: '0', role: 'img', id: `chart-${metric.id}` });
    const rows = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${metric.title}, values` });
    const title = el(
      'div',
      { class: 'title' },
      el('h3', {}, metric.title, ' ', el('span', { class: 'unit' }, metric.unit)),
      values,
    );
    const details = el('details', { ontoggle: () => this.fill(metric.id) }, el('summary', {}, 'As a table'), rows);
    const card = el('div', { class: `card chart${metric.wide ? ' wide' : ''}` }, title, plotRoot, readout, details);
    this.root.append(card);
    const plot = new uPlot(this.options(metric, series, plotRoot), join(series), plotRoot);
    const chart = { metric, series, plot, plotRoot, values, readout, details, rows };
    this.charts.set(metric.id, chart);
    plotRoot.addEventListener('keydown', (event) => this.key(chart, event));
    plotRoot.addEventListener('blur', () => plot.setCursor({ left: -10, top: -10 }));
    this.describe(chart);
  }

  options(metric, series, root) {
    const axis = {
      stroke: themed('--soft'),
      grid: { stroke: themed('--grid'), width: 1 },
      ticks: { show: false },
      font: '12px ui-sans-serif, system-ui, sans-serif',
    };
    const time = this.view.x === 'time';
    return {
      width: Math.max(200, root.clientWidth),
      height: metric.wide ? (innerWidth < 740 ? 240 : 320) : 210,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'millrace' }, points: { size: 7 }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { distr: metric.log && this.view.log ? 3 : 1 } },
      axes: [
        {
          ...axis,
          size: 34,
          values: (_, ticks) => ticks.map((v) => (time ? duration(v) : short(v))),
          space: time ? 90 : 60,
        },
        { ...axis, size: 58, values: (_, ticks) => ticks.map((v) => (v === null ? '' : short(v))) },
      ],
      hooks: { setCursor: [(plot) => this.describeAt(metric.id, plot.cursor.idx)] },
      series: [{}, ...series.map((line) => this.style(line))],
    };
  }

  style({ kind, color, label }) {
    const stroke = seriesColor(color);
    if (kind === 'raw') return { stroke: `${stroke}40`, width: 1, points: { show: false }, spanGaps: true };
    if (kind === 'line') return { label, stroke, width: 2, points: { show: false }, spanGaps: true };
    return {
      label,
      stroke,
      width: 1.5,
      dash: [4, 4],
      spanGaps: true,
      points: { show: true, size: 7, fill: themed('--card'), stroke, width: 2 },
    };
  }

  /** The last values beside the title, and the sentence that stands for the picture. */
  describe(chart, at) {
    const { metric, series, values, plotRoot, plot } = chart;
    const shown = series
      .map((line, i) => ({ ...line, value: at === undefined ? line.last : nearest(plot.data[i + 1], at) }))
      .filter(({ kind }) => kind !== 'raw');
    values.replaceChildren(
      ...shown.map(({ kind, color, label, value, run }) =>
        el(
          'li',
          { style: `--series: ${seriesColor(color)}` },
          el('span', { class: `key${kind === 'dots' ? ' dots' : ''}`, 'aria-hidden': 'true' }),
          el(
            'span',
            {},
            shown.length > 1 ? `${label} ` : '',
            el('b', { 'data-metric': kind === 'dots' ? 'validation' : metric.id, 'data-run': run.name }, number(value)),
          ),
        ),
      ),
    );
    const words = shown.map(({ label, last }) => `${label} ${number(last)}`).join(', ');
    plotRoot.setAttribute(
      'aria-label',
      `${metric.title} over ${X[this.view.x].title}s, line chart. Last: ${words}. Arrow keys read along the line.`,
    );
    if (chart.details.open) this.fill(metric.id);
  }

  describeAt(id, index) {
    const chart = this.charts.get(id);
    if (chart) this.describe(chart, index === null || index === undefined ? undefined : index);
  }

  /** Left and right move the reading line, with Shift by a tenth; Home, End; Escape shows the whole again. */
  key(chart, event) {
    const { plot, series, metric } = chart;
    const xs = plot.data[0];
    const jump = Math.max(1, Math.round(xs.length / (event.shiftKey ? 10 : 100)));
    const now = plot.cursor.idx ?? xs.length - 1;
    const target = { ArrowLeft: now - jump, ArrowRight: now + jump, Home: 0, End: xs.length - 1 }[event.key];
    if (event.key === 'Escape') plot.setData(plot.data);
    if (target === undefined) return;
    event.preventDefault();
    const index = Math.max(0, Math.min(xs.length - 1, target));
    plot.setCursor({ left: plot.valToPos(xs[index], 'x'), top: 10 });
    const read = series
      .map((line, i) => (line.kind === 'raw' ? undefined : `${line.label} ${number(nearest(plot.data[i + 1], index))}`))
      .filter(Boolean);
    chart.readout.textContent = `${X[this.view.x].title} ${number(xs[index])}: ${read.join(', ')} (${metric.title})`;
  }

  /** At most 50 rows, evenly chosen. */
  fill(id) {
    const { plot, series, rows, details } = this.charts.get(id);
    if (!details.open) return;
    const lines = series.map((line, i) => [line, plot.data[i + 1]]).filter(([{ kind }]) => kind !== 'raw');
    const every = Math.max(1, Math.ceil(plot.data[0].length / 50));
    const picked = plot.data[0]
      .map((x, i) => [x, i])
      .filter(([, i]) => i % every === 0 || i === plot.data[0].length - 1);
    const head = el(
      'tr',
      {},
      el('th', { class: 'number' }, X[this.view.x].title),
      lines.map(([{ label }]) => el('th', { class: 'number' }, label)),
    );
    const body = picked.map(([x, i]) =>
      el(
        'tr',
        {},
        el('td', { class: 'number' }, number(x)),
        lines.map(([, ys]) => el('td', { class: 'number' }, number(nearest(ys, i)))),
      ),
    );
    rows.replaceChildren(el('table', {}, el('thead', {}, head), el('tbody', {}, body)));
  }

  resize() {
    for (const { plot, plotRoot } of this.charts.values()) {
      const width = Math.max(200, plotRoot.clientWidth);
      if (width !== plot.width) plot.setSize({ width, height: plot.height });
    }
  }
}

/** Lines of different x on one x. */
function join(series) {
  return uPlot.join(series.map(({ data }) => data));
}

/** The value at an index, or the last one before it. */
function nearest(values, index) {
  for (let i = index; i >= 0; i--) if (values[i] !== undefined && values[i] !== null) return values[i];
  return values.find((value) => value !== undefined && value !== null);
}
