/** Attention weights of one text in, a picture a head out. */
import { $, dark, el } from './dom.js';

/** @param attention `{tokens, layers: [[head: [query: [key: weight]]]]}`, or nothing. */
export function showAttention(attention) {
  const section = $('#attention');
  section.hidden = !attention;
  if (!attention) return;
  const { tokens, layers } = attention;
  const heads = section.querySelector('.heads');
  const read = section.querySelector('output');
  const choose = el(
    'select',
    { id: 'layer', onchange: () => draw() },
    layers.map((_, i) => el('option', { value: i }, `layer ${i + 1}`)),
  );
  section.querySelector('.tools').replaceChildren(el('label', { for: 'layer' }, 'Layer', choose));
  const draw = () => {
    const layer = layers[Number(choose.value)];
    heads.replaceChildren(...layer.map((weights, h) => head(weights, h, { tokens, read })));
  };
  draw();
}

function head(weights, index, { tokens, read }) {
  const size = weights.length;
  const keys = weights[0].length;
  const canvas = el('canvas', {
    width: keys,
    height: size,
    role: 'img',
    'aria-label': `head ${index + 1}: ${summary(weights, tokens)}`,
  });
  const context = canvas.getContext('2d');
  const image = context.createImageData(keys, size);
  const ink = dark() ? [95, 208, 207] : [11, 110, 117];
  weights.forEach((row, q) => {
    row.forEach((weight, k) => {
      image.data.set([...ink, Math.round(255 * Math.sqrt(weight))], 4 * (q * keys + k));
    });
  });
  context.putImageData(image, 0, 0);
  canvas.addEventListener('pointermove', (event) => {
    const box = canvas.getBoundingClientRect();
    const q = Math.min(size - 1, Math.floor(((event.clientY - box.top) / box.height) * size));
    const k = Math.min(keys - 1, Math.floor(((event.clientX - box.left) / box.width) * keys));
    read.textContent = `head ${index + 1}: “${tokens[q] ?? q}” looks at “${tokens[k] ?? k}” with ${(100 * weights[q][k]).toFixed(1)} %`;
  });
  return el('figure', {}, canvas, el('figcaption', {}, `head ${index + 1}`));
}

/** Where the last query looks most. */
function summary(weights, tokens) {
  const last = weights.at(-1);
  const best = last.indexOf(Math.max(...last));
  return `the last token looks most at “${tokens[best] ?? best}” (${(100 * last[best]).toFixed(0)} %)`;
}
