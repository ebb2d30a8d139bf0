/** Samples that a model wrote while it learnt in, a slider through time out. */
import { $, el } from './dom.js';

export function showSamples(runs) {
  const section = $('#samples');
  const own = runs.filter(({ samples }) => samples.length > 0);
  section.hidden = own.length === 0;
  if (section.hidden) return;
  const cards = section.querySelector('.cards');
  if (cards.children.length !== own.length) cards.replaceChildren(...own.map((run) => card(run, own.length > 1)));
  for (const [i, run] of own.entries()) cards.children[i].refresh(run);
}

function card(run, named) {
  let samples = run.samples;
  const text = el('p', { class: 'sample' });
  const label = el('output', {});
  const slider = el('input', {
    type: 'range',
    min: '0',
    value: '0',
    'aria-label': `step of the sample${named ? `, ${run.name}` : ''}`,
  });
  const draw = () => {
    const { step, text: words, prompt = '' } = samples[Number(slider.value)] ?? samples.at(-1);
    const rest = prompt && words.startsWith(prompt) ? words.slice(prompt.length) : words;
    text.replaceChildren(el('b', {}, prompt), rest);
    label.textContent = `step ${step}`;
    slider.setAttribute('aria-valuetext', `step ${step}`);
  };
  slider.addEventListener('input', draw);
  const node = el(
    'div',
    { class: 'card' },
    el('label', {}, named ? run.name : 'From the first to the last', slider, label),
    text,
  );
  node.refresh = (fresh) => {
    const atEnd = Number(slider.value) >= Number(slider.max || 0);
    samples = fresh.samples;
    slider.max = String(samples.length - 1);
    if (atEnd) slider.value = slider.max;
    draw();
  };
  return node;
}
