/** Attention weights of texts in, a picture a head out. */
import { $, dark, el } from './dom.js';

/** @param attention `[{title, maps: [{name, queries, keys, heads: [{layer, head, weights}]}]}]`, or nothing. */
export function showAttention(attention) {
  const section = $('#attention');
  section.hidden = !attention?.length;
  if (section.hidden) return;
  const heads = section.querySelector('.heads');
  const read = section.querySelector('output');
  const texts = attention.flatMap(({ title, maps }) =>
    maps.map((map) => ({ ...map, label: maps.length > 1 ? `${title} (${map.name})` : title })),
  );
  const text = choice(
    'text-shown',
    texts.map(({ label }) => label),
    () => layers(),
  );
  const layer = choice('layer', [], () => draw());
  section
    .querySelector('.tools')
    .replaceChildren(el('label', { for: 'text-shown' }, 'Text', text), el('label', { for: 'layer' }, 'Layer', layer));
  const layers = () => {
    const kept = layer.value;
    const all = [...new Set(texts[Number(text.value)].heads.map((head) => head.layer))];
    layer.replaceChildren(...all.map((n) => el('option', { value: n }, `layer ${n}`)));
    if (all.includes(Number(kept))) layer.value = kept;
    draw();
  };
  const draw = () => {
    const map = texts[Number(text.value)];
    const shown = map.heads.filter((head) => head.layer === Number(layer.value));
    heads.replaceChildren(...shown.map((head) => picture(head, { ...map, read })));
  };
  layers();
}

function choice(id, names, onchange) {
  return el(
    'select',
    { id, onchange },
    names.map((name, i) => el('option', { value: i }, name)),
  );
}

function picture({ head, weights }, { queries, keys, read }) {
  const at = (q, k) => weights[q * keys.length + k];
  const canvas = el('canvas', {
    width: keys.length,
    height: queries.length,
    role: 'img',
    'aria-label': `head ${head}: ${summary(at, { queries, keys })}`,
  });
  const context = canvas.getContext('2d');
  const image = context.createImageData(keys.length, queries.length);
  const ink = dark() ? [95, 208, 207] : [11, 110, 117];
  for (const [i, weight] of weights.entries()) image.data.set([...ink, Math.round(255 * Math.sqrt(weight))], 4 * i);
  context.putImageData(image, 0, 0);
  canvas.addEventListener('pointermove', (event) => {
    const box = canvas.getBoundingClientRect();
    const place = (part, whole, n) => Math.max(0, Math.min(n - 1, Math.floor((part / whole) * n)));
    const q = place(event.clientY - box.top, box.height, queries.length);
    const k = place(event.clientX - box.left, box.width, keys.length);
    read.textContent = `head ${head}: “${queries[q]}” looks at “${keys[k]}” with ${(100 * at(q, k)).toFixed(1)} %`;
  });
  return el('figure', {}, canvas, el('figcaption', {}, `head ${head}`));
}

/** Where the last query looks most. */
function summary(at, { queries, keys }) {
  const last = queries.length - 1;
  const best = keys.reduce((most, _, k) => (at(last, k) > at(last, most) ? k : most), 0);
  return `“${queries[last]}” looks most at “${keys[best]}” (${(100 * at(last, best)).toFixed(0)} %)`;
}
