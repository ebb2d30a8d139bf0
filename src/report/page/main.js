/** The page's data in, the page out; live pages get more events as they come. */
import { showAttention } from './attention.js';
import { Charts } from './charts.js';
import { $, duration, el, number, short } from './dom.js';
import { Run } from './runs.js';
import { showSamples } from './samples.js';
import { Playground } from './tokenizer.js';

const data = JSON.parse($('#data').textContent);
const runs = data.runs.map((run) => new Run(run));
const charts = new Charts($('#charts'), runs);

theme();
tools();
charts.rebuild();
refresh();
showAttention(data.attention);
playground();
if (data.live) live();

/** What changes as events come in. */
function refresh() {
  const [run] = runs;
  const state = runs.some((r) => r.state === 'training') && data.live ? 'training' : 'done';
  $('.status').dataset.state = state;
  const last = run?.steps.at(-1);
  const where = last ? `step ${number(last.step)}${run.total ? ` of ${number(run.total)}` : ''}` : 'no step yet';
  $('.status span:last-child').textContent = state === 'training' ? `training, ${where}` : `finished, ${where}`;
  $('#figures').replaceChildren(
    ...figures(run).map(([name, value, unit]) =>
      el(
        'div',
        {},
        el('dt', {}, name),
        el('dd', { 'data-figure': name }, value, unit ? el('small', {}, ` ${unit}`) : ''),
      ),
    ),
  );
  showSamples(runs);
}

function figures(run) {
  if (!run) return [];
  const last = run.steps.at(-1);
  const validation = run.validations.at(-1);
  const { evaluation = {} } = run;
  const loss = evaluation.validationLoss ?? validation?.loss;
  const bits = evaluation.bitsPerByte ?? validation?.bitsPerByte;
  return [
    ['training loss', number(last?.loss)],
    loss === undefined ? undefined : ['validation loss', number(loss)],
    loss === undefined ? undefined : ['perplexity', number(evaluation.perplexity ?? Math.exp(loss), 3)],
    bits === undefined ? undefined : ['bits a byte', number(bits)],
    run.parameters === undefined ? undefined : ['parameters', short(run.parameters)],
    ['tokens seen', short(run.tokens)],
    ['time in steps', duration(run.seconds)],
  ].filter(Boolean);
}

function tools() {
  const { view } = charts;
  const redraw = () => charts.rebuild();
  $('#axis').addEventListener('change', (event) => {
    view.x = event.target.value;
    redraw();
  });
  $('#smoothing').addEventListener('input', (event) => {
    view.smoothing = Number(event.target.value);
    redraw();
  });
  $('#log').addEventListener('change', (event) => {
    view.log = event.target.checked;
    redraw();
  });
}

function theme() {
  const root = document.documentElement;
  const saved = data.live ? localStorage.getItem('millrace-theme') : null;
  if (saved) root.dataset.theme = saved;
  $('#theme').addEventListener('click', () => {
    const isDark = root.dataset.theme
      ? root.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = isDark ? 'light' : 'dark';
    if (data.live) localStorage.setItem('millrace-theme', root.dataset.theme);
    charts.rebuild();
    showAttention(data.attention);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.rebuild());
}

/** The vocabulary travels deflated; the browser unpacks it at the first keystroke or when it comes into view. */
async function playground() {
  const packed = $('#vocabulary');
  if (!packed) return;
  const bytes = Uint8Array.from(atob(packed.textContent.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const tokenizer = new Playground(JSON.parse(await new Response(stream).text()));
  const input = $('#text');
  const draw = () => {
    const text = input.value;
    const tokens = tokenizer.encode(text);
    const size = new TextEncoder().encode(text).length;
    $('#tokens').replaceChildren(
      ...tokens.map(({ id, text: piece }) =>
        el('li', { title: `id ${id}` }, el('span', {}, visible(piece)), el('small', {}, String(id ?? '?'))),
      ),
    );
    $('#count').textContent =
      tokens.length === 0
        ? ''
        : `${tokens.length} tokens, ${size} bytes, ${(size / tokens.length).toFixed(2)} bytes a token`;
  };
  input.addEventListener('input', draw);
  draw();
}

const visible = (text) => text.replace(/ /g, '·').replace(/\n/g, '↵').replace(/\t/g, '⇥');

/** Server-sent events: `{run, events}` each. Many may come at once: draw once a frame. */
function live() {
  let due = false;
  const draw = () => {
    due = false;
    charts.update();
    refresh();
  };
  const source = new EventSource('events');
  source.addEventListener('message', ({ data: text }) => {
    const { run: name, events, reset } = JSON.parse(text);
    let run = runs.find((r) => r.name === name);
    if (!run || reset) {
      const fresh = new Run({ ...(run ?? {}), name, events: [] });
      if (run) runs[runs.indexOf(run)] = fresh;
      else runs.push(fresh);
      run = fresh;
    }
    run.push(events);
    if (!due) requestAnimationFrame(draw);
    due = true;
  });
  source.addEventListener('error', () => {
    $('.status span:last-child').textContent = 'the server stopped; this is the last state';
    $('.status').dataset.state = 'done';
  });
}
